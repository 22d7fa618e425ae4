import { type ChildProcess, spawn } from 'node:child_process';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '../../shared/process/clock.ts';
import { CopyError, type Ending, fromEnding } from './failure.ts';
import { sweepBehind } from './sweeping.ts';

/** The one place where other programs are started. */

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

export interface RunOptions {
  /** Open files that the program has as its descriptors 3, 4, … */
  readonly files?: readonly number[];
  /** What it reads on standard input; nothing when absent. */
  readonly input?: Iterable<Uint8Array>;
  /** What its standard input and output are, both ways; it ends soon when this does. */
  readonly connection?: Duplex;
  /** Working directory. */
  readonly folder?: string;
  /** Told what it prints, piece by piece. */
  readonly onOutput?: (text: string) => void;
  /** Called every second while it runs. */
  readonly onTick?: (pid: number) => void;
}

export interface Tools {
  /**
   * Runs a program to its end. @returns what it said on standard error, where warnings are.
   * @throws CopyError when it cannot be started, does not end with 0, or the copy was interrupted; it has ended then.
   */
  run(command: Command, options?: RunOptions): Promise<string>;
}

/** Milliseconds that a tool has to end in after SIGTERM. */
const patience = 5000;
const tick = 1000;
/** Characters kept of the beginning and of the end of what a tool says on standard error. */
const excerpt = 2000;

/** @param signal aborted when the copy is to end; its reason is what is thrown then. */
export function createTools(signal: AbortSignal, clock: Pick<Clock, 'sleep'>): Tools {
  return {
    run: async ({ program, args }, { files = [], input, connection, folder, onOutput, onTick } = {}) => {
      signal.throwIfAborted();
      const child = spawn(program, args, {
        cwd: folder,
        // Messages in English, numbers without a locale's separators.
        env: { ...process.env, LC_ALL: 'C' },
        stdio: [input === undefined && connection === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...files],
        // A process group of its own, so that what it has started itself ends with it.
        detached: true,
      });
      const over = new AbortController();
      const ended = endOf(child);
      const said = createExcerpt();
      if (connection === undefined) child.stdout?.setEncoding('utf8').on('data', (text: string) => onOutput?.(text));
      else join(connection, child);
      child.stderr?.setEncoding('utf8').on('data', (text: string) => said.add(text));
      // A tool that ends early closes the pipe; how it ended says more.
      const fed = input === undefined || child.stdin === null ? undefined : feed(input, child.stdin);
      const stop = (): void => void endGroup(child.pid, over.signal, clock);
      signal.addEventListener('abort', stop, { once: true });
      const ticking = onTick === undefined ? undefined : setInterval(() => onTick(child.pid ?? 0), tick);
      try {
        const { code, signal: killedBy } = await ended;
        await fed;
        signal.throwIfAborted();
        if (code !== 0) throw fromEnding(program, { code, signal: killedBy, said: said.text() });
        return said.text();
      } catch (error) {
        throw error instanceof CopyError ? error : notStarted(program, error);
      } finally {
        over.abort();
        clearInterval(ticking);
        signal.removeEventListener('abort', stop);
      }
    },
  };
}

/** Of the program, and of its pipes. Rejects when it cannot be started. */
async function endOf(child: ChildProcess): Promise<Omit<Ending, 'said'>> {
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}

async function feed(input: Iterable<Uint8Array>, to: NodeJS.WritableStream): Promise<void> {
  await pipeline(Readable.from(input), to).catch(() => undefined);
}

/** Both ways, until either ends. Who has nobody at the other end any more must not wait for him. */
function join(connection: Duplex, { stdin, stdout }: ChildProcess): void {
  if (stdin === null || stdout === null) return;
  for (const stream of [connection, stdin, stdout]) stream.on('error', () => undefined);
  connection.once('close', () => {
    stdin.destroy();
    stdout.destroy();
  });
  connection.pipe(stdin);
  sweepBehind(stdout);
  stdout.pipe(connection);
}

/** SIGTERM, and SIGKILL when that was not enough. */
async function endGroup(pid: number | undefined, over: AbortSignal, clock: Pick<Clock, 'sleep'>): Promise<void> {
  if (pid === undefined) return;
  kill(pid, 'SIGTERM');
  try {
    await clock.sleep(patience, over);
    kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

function notStarted(program: string, error: unknown): CopyError {
  const why = error instanceof Error ? error.message : String(error);
  return new CopyError('CopyToolFailed', `${program} cannot be run: ${why}`, { retry: false, cause: error });
}

/** Keeps the first and the last of a text that may have no end. */
function createExcerpt(): { add(text: string): void; text(): string } {
  let [head, tail, cut] = ['', '', false];
  return {
    add: (text) => {
      const room = excerpt - head.length;
      head += text.slice(0, room);
      const rest = tail + text.slice(room);
      cut ||= rest.length > excerpt;
      tail = rest.slice(-excerpt);
    },
    text: () => (cut ? `${head}\n…\n${tail}` : head + tail),
  };
}
