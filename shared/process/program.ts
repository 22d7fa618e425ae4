import { exitCodes, type Host, type RunOptions, run } from './run.ts';
import { asksForHelp, helpText, type Program, parseSettings, type Settings, SettingsError } from './settings.ts';

/** What a main file needs: arguments to settings to components to an exit code. */

/** The process as a program sees it; tests bring their own. */
export interface ProgramHost extends Host {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Reads the settings, builds the program from them and runs it to its end. Exits with 2 and all faults on standard error when the
 * settings are wrong, with 1 when it cannot be built (a file is missing, the API server's address unknown), else as {@link run} does.
 */
export async function runProgram<P extends Program>(
  program: P,
  build: (settings: Settings<P>) => Promise<Omit<RunOptions, 'host'>>,
  host: ProgramHost = process,
): Promise<number> {
  const argv = host.argv.slice(2);
  if (asksForHelp(argv)) {
    host.stdout.write(helpText(program));
    return leave(host, exitCodes.ok);
  }
  let options: Omit<RunOptions, 'host'>;
  try {
    options = await build(parseSettings(program, argv, host.env));
  } catch (error) {
    host.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return leave(host, error instanceof SettingsError ? exitCodes.usage : exitCodes.failed);
  }
  return run({ ...options, host });
}

function leave(host: Host, code: number): number {
  host.exit(code);
  return code;
}
