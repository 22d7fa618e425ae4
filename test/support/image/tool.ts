import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { tail } from '../cluster/process.ts';

export interface ToolOptions {
  /** What it says is appended here. */
  readonly logFile: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end. @throws Error with the end of its log when its exit code is not zero. */
export async function tool(program: string, args: readonly string[], options: ToolOptions): Promise<void> {
  const log = openSync(options.logFile, 'a');
  try {
    const { cwd, env } = options;
    const child = spawn(program, args, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code === 0) return;
    throw new Error(`${program} ${args[0] ?? ''} failed (exit code ${code}):\n${tail(options.logFile)}`);
  } finally {
    closeSync(log);
  }
}
