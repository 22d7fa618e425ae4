import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { cacheRoot } from './cluster/cache.ts';
import { takeLock } from './cluster/lock.ts';

/**
 * Programs that the tests need beside Node and Go come from Debian's packages, and are installed when this is root on Debian. What is
 * there already, in whatever way, is taken as it is.
 */

/** Package → what is needed of it: the name of a program, looked for in PATH and the sbin folders, or the absolute path of a file. */
export type Packages = Readonly<Record<string, string>>;

/** What {@link ensurePackages} must know of a machine and may do to it. */
export interface Machine {
  readonly has: (file: string) => boolean;
  readonly hasApt: boolean;
  readonly root: boolean;
  /** @throws Error that ends with what the installer said last. */
  readonly install: (names: readonly string[]) => Promise<void>;
}

/** Those of the packages of which the needed file is not there, in the order given. */
export function missingPackages(packages: Packages, { has }: Pick<Machine, 'has'> = thisMachine()): readonly string[] {
  return Object.keys(packages).filter((name) => !has(packages[name] ?? name));
}

/**
 * Installs what is missing, and returns when all is there; without a word and in no time when it is there already.
 * @param purpose what needs it, as the error's first words: `building the image`.
 * @throws Error of one line that says what is missing and which command installs it, when this is not root, not Debian, or apt fails.
 */
export async function ensurePackages(purpose: string, packages: Packages, machine = thisMachine()): Promise<void> {
  const missing = missingPackages(packages, machine);
  if (missing.length === 0) return;
  const needs = `${purpose} needs ${missing.map((name) => need(name, packages[name] ?? name)).join(', ')}`;
  if (!machine.hasApt) throw new Error(`${needs}; there is no apt-get here: install what this system calls them`);
  if (!machine.root) throw new Error(`${needs}; as root: ${aptLine(missing)}`);
  try {
    await machine.install(missing);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${needs}, and installing failed: ${why}`, { cause });
  }
  const still = missingPackages(packages, machine);
  if (still.length > 0)
    throw new Error(`${needs}, and after "${aptLine(missing)}" there is still no ${still.join(', ')}`);
}

/** The machine that this runs on. */
export function thisMachine(env = process.env): Machine {
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  const has = (file: string): boolean =>
    isAbsolute(file) ? exists(file) : folders.some((folder) => executable(join(folder, file)));
  return {
    has,
    hasApt: has('apt-get'),
    root: process.getuid?.() === 0,
    install: async (names) => await aptInstall(names, cacheRoot(env)),
  };
}

function need(name: string, file: string): string {
  return file === name ? name : `${name} (${file})`;
}

const installArgs = ['install', '-y', '--no-install-recommends'] as const;

function aptLine(names: readonly string[]): string {
  return ['apt-get', ...installArgs, ...names].join(' ');
}

/** One process of ours at a time: apt waits for dpkg's lock, but not for the one on the package lists. */
async function aptInstall(names: readonly string[], root: string): Promise<void> {
  await mkdir(root, { recursive: true });
  const lock = await takeLock(join(root, 'packages.lock'), () =>
    say('waiting for another process that installs packages'),
  );
  try {
    say(`installing ${names.join(', ')} (once)`);
    const install = [...installArgs, ...names];
    if ((await apt(install)).ok) return;
    // A fresh machine knows no packages, and one that was not updated for long knows some that are gone.
    await apt(['update']);
    const { ok, output } = await apt(install);
    if (!ok) throw new Error(lastWords(output));
  } finally {
    lock.release();
  }
}

async function apt(args: readonly string[]): Promise<{ readonly ok: boolean; readonly output: string }> {
  const child = spawn('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=600', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { ok: code === 0, output: err.trim() === '' ? out : err };
}

/** apt's errors are the lines that begin with `E:`. */
function lastWords(output: string): string {
  const lines = output.trim().split('\n');
  const errors = lines.filter((line) => line.startsWith('E:'));
  return (errors.length > 0 ? errors : lines.slice(-1)).join(' ');
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
