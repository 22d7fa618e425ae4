import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** The Go module that names the control plane's programs and their versions. */
export const toolsFolder = fileURLToPath(new URL('./tools', import.meta.url));

export interface GoOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Each line of stderr as it comes: go tells there what it downloads and compiles. */
  readonly onLine?: (line: string) => void;
  /** Held open by the go process as its descriptor 3. */
  readonly lockFd?: number;
}

/**
 * Runs go in the tools module. @returns its stdout.
 * @throws Error with one line on what to install when there is no go or it is too old; else with the end of its stderr.
 */
export async function go(args: readonly string[], options: GoOptions = {}): Promise<string> {
  const child = spawn('go', args, {
    cwd: toolsFolder,
    stdio: ['ignore', 'pipe', 'pipe', options.lockFd ?? 'ignore'],
    env: { ...process.env, ...options.env },
  });
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('no pipes to go');
  const lines: string[] = [];
  const reader = createInterface({ input: stderr }).on('line', (line) => {
    lines.push(line);
    options.onLine?.(line);
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(whatToInstall('it is not in PATH'), { cause })));
    child.once('close', (code) => resolve(code ?? -1));
  });
  const [output, code] = await Promise.all([text(stdout), ended]);
  reader.close();
  if (code !== 0) throw new Error(explain(args, code, lines));
  return output;
}

function explain(args: readonly string[], code: number, lines: readonly string[]): string {
  const tooOld = lines.find((line) => /requires go|toolchain not available|unknown block type: tool/.test(line));
  if (tooOld !== undefined) return whatToInstall(tooOld);
  return `go ${args[0]} failed (exit code ${code}):\n${lines.slice(-15).join('\n')}`;
}

function whatToInstall(why: string): string {
  return `building the control plane needs Go 1.26 or newer, see https://go.dev/dl (${why})`;
}
