import { execFile } from 'node:child_process';

/** A program that ended badly, with what it said. */
export class CommandError extends Error {
  /** The exit code; undefined when the program could not be started or was killed. */
  readonly exitCode: number | undefined;

  constructor(line: string, exitCode: number | undefined, said: string) {
    super(`${line}: ${said}`);
    this.name = 'CommandError';
    this.exitCode = exitCode;
  }
}

/**
 * Runs a program without a shell and returns what it printed, trimmed.
 * @throws CommandError when it cannot be started or its exit code is not zero.
 */
export async function run(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout.trim());
      const exitCode = typeof error.code === 'number' ? error.code : undefined;
      return reject(new CommandError([program, ...args].join(' '), exitCode, stderr.trim() || error.message));
    });
  });
}
