import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { memoryOf } from './proc.ts';

/** Runs one program and counts what it and all that it starts use. */

export interface Measured {
  readonly seconds: number;
  /** Seconds, user and system. */
  readonly cpu: number;
  /** MiB that were resident at the most: of the program itself, and of the largest that it has started. */
  readonly memory: { readonly own: number; readonly started: number };
  readonly code: number | null;
  readonly output: string;
}

/** Milliseconds between two looks at the memory, which a program that has ended does not tell any more. */
const interval = 20;

/** One that runs. */
export interface Measuring {
  readonly ended: Promise<Measured>;
  /** Asks it to end, by SIGTERM. */
  end(): void;
}

export async function measure(file: string, args: readonly string[], env = process.env): Promise<Measured> {
  return await measuring(file, args, env).ended;
}

/** For what does not end by itself. */
export function measuring(file: string, args: readonly string[], env = process.env): Measuring {
  // bash counts the CPU time of its children, as Node cannot; exec would lose the count.
  const child = spawn('bash', ['-c', 'TIMEFORMAT="%U %S"; time "$@"', 'bash', file, ...args], {
    env: { ...env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const end = (): void => {
    for (const program of childrenOf(child.pid ?? 0)) process.kill(program, 'SIGTERM');
  };
  return { ended: measured(child), end };
}

async function measured(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Measured> {
  const begun = performance.now();
  const memory = { own: 0, started: 0 };
  const looking = setInterval(() => look(child.pid ?? 0, memory), interval);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [output, said, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  clearInterval(looking);
  const seconds = (performance.now() - begun) / 1000;
  const times = (said.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return { seconds, cpu: times.reduce((sum, one) => sum + one, 0), memory, code, output: output + said };
}

function look(shell: number, memory: { own: number; started: number }): void {
  for (const program of childrenOf(shell)) {
    memory.own = Math.max(memory.own, peakOf(program));
    for (const started of descendantsOf(program)) memory.started = Math.max(memory.started, peakOf(started));
  }
}

function descendantsOf(pid: number): readonly number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

/** A process that has ended meanwhile has none. */
function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function peakOf(pid: number): number {
  try {
    return memoryOf(pid).peak || 0;
  } catch {
    return 0;
  }
}
