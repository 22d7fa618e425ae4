import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { runMover } from '../../controller/mover/mover.ts';
import { type CopyProgress, type CopyResult, copyPaths } from '../../shared/api/copy.ts';
import { type Clock, systemClock } from '../../shared/process/clock.ts';
import { startGuard } from './cluster/guard.ts';
import { foldersOf, markerVariable, newId } from './cluster/identity.ts';
import { run } from './csi/command.ts';
import { bind } from './csi/mounts.ts';
import { ensurePackages } from './packages.ts';

/** What stands for a copy pod here: a folder with two volumes in it, as a kubelet mounts them, in which the program runs as a process. */

export const mebibyte = 1024 ** 2;

export type VolumeKind = 'ext4' | 'xfs' | 'block';

export interface Volume {
  readonly kind: VolumeKind;
  readonly device: string;
  /** The mounted folder; of a block volume the device. */
  readonly path: string;
  readonly file: string;
}

export interface Pod {
  readonly root: string;
  readonly source: Volume;
  readonly destination: Volume;
}

export type Side = 'source' | 'destination';

export interface Ended {
  readonly code: number | null;
  readonly result: CopyResult;
  readonly progress: readonly CopyProgress[];
  readonly output: string;
}

export interface StartOptions {
  /** Without any privilege then; root when absent. */
  readonly user?: number;
  /** Goes before the folders in which tools are looked for. */
  readonly tools?: string;
  /** The folders in which tools are looked for; this process's when absent. */
  readonly path?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Of root, without a prefix; all when absent. */
  readonly capabilities?: readonly string[];
  /** A program that starts it, with its arguments. */
  readonly by?: readonly string[];
}

/** How the program is started as a process of its own. */
export interface CommandLine {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface Running {
  readonly pid: number;
  /** Resolves at the first line of progress that the test is satisfied with. */
  until(satisfied: (progress: CopyProgress) => boolean): Promise<void>;
  readonly ended: Promise<Ended>;
}

export interface PodSite {
  readonly folder: string;
  /** Marks the processes that end with the site. */
  readonly marks: Readonly<Record<string, string>>;
  /** @param bytes of the device. @param name of its file, below the site's folder. */
  volume(kind: VolumeKind, bytes: number, name?: string): Promise<Volume>;
  /** @param has which of the volumes are mounted; both when absent. */
  pod(source: Volume, destination: Volume, has?: readonly Side[]): Promise<Pod>;
  /** Starts the program, as a kubelet would. */
  start(pod: Pod, args: readonly string[], options?: StartOptions): Running;
  commandLine(pod: Pod, args: readonly string[], options?: StartOptions): CommandLine;
  /** The same within this process, which takes a second less. */
  copy(pod: Pod, args: readonly string[], clock?: Clock): Promise<Ended>;
  close(): Promise<void>;
}

/** The repository, seen from where everybody may look, whatever folder it was checked out into. */
const repository = fileURLToPath(new URL('../../', import.meta.url));

/** @throws Error when this is not root, or a package is missing and cannot be installed. */
export async function openSite(): Promise<PodSite> {
  if (process.getuid?.() !== 0) throw new Error('copies are tested on mounted volumes: this has to run as root');
  await ensurePackages('copying volumes', {
    'qemu-utils': 'qemu-img',
    rsync: 'rsync',
    attr: 'setfattr',
    acl: 'setfacl',
    xfsprogs: 'mkfs.xfs',
    e2fsprogs: 'mkfs.ext4',
  });
  const id = newId('mover');
  const guard = startGuard(id);
  const folder = foldersOf(id).state;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const program = join(folder, 'program');
  const site: ProgramSite = { id, program };
  await bind(repository, program, 'folder', true);
  let count = 0;
  const next = (name: string): string => join(folder, `${name}-${(count += 1)}`);
  const start = (pod: Pod, args: readonly string[], options: StartOptions = {}): Running =>
    startMover(site, pod, args, options);
  return {
    folder,
    marks: { [markerVariable]: id },
    volume: async (kind, bytes, at) => await makeVolume(kind, bytes, next(at ?? 'volume')),
    pod: async (source, destination, has = ['source', 'destination']) =>
      await makePod(next('pod'), { root: '', source, destination }, has),
    start,
    commandLine: (pod, args, options = {}) => commandLine(site, pod, args, options),
    copy,
    close: async () => await guard.release(),
  };
}

async function makeVolume(kind: VolumeKind, bytes: number, base: string): Promise<Volume> {
  const file = `${base}.img`;
  await run('truncate', '-s', String(bytes), file);
  const device = await run('losetup', '--find', '--show', '--direct-io=on', file);
  if (kind === 'block') return { kind, device, file, path: device };
  if (kind === 'ext4') await run('mkfs.ext4', '-q', '-E', 'nodiscard,lazy_itable_init=1', device);
  else await run('mkfs.xfs', '-q', '-K', device);
  await mkdir(base);
  await run('mount', '-t', kind, device, base);
  return { kind, device, file, path: base };
}

async function makePod(root: string, pod: Pod, has: readonly Side[]): Promise<Pod> {
  await mkdir(join(root, 'dev'), { recursive: true });
  await writeFile(join(root, 'dev/termination-log'), '', { mode: 0o666 });
  await run('chmod', '666', join(root, 'dev/termination-log'));
  for (const side of has) {
    const { kind, path } = pod[side];
    const at = join(root, copyPaths[side][modeOf(kind)]);
    await bind(path, at, kind === 'block' ? 'file' : 'folder', kind !== 'block' && side === 'source');
  }
  return { ...pod, root };
}

export function modeOf(kind: VolumeKind): 'Block' | 'Filesystem' {
  return kind === 'block' ? 'Block' : 'Filesystem';
}

function modesOf({ source, destination }: Pod): readonly string[] {
  return [`--source-mode=${modeOf(source.kind)}`, `--destination-mode=${modeOf(destination.kind)}`];
}

async function copy(pod: Pod, args: readonly string[], clock = systemClock): Promise<Ended> {
  let output = '';
  const stdout = {
    write: (piece: string): void => {
      output += piece;
    },
  };
  const env = { CLONEGATE_COPY_ROOT: pod.root };
  const host = { argv: ['node', 'main.ts', ...modesOf(pod), ...args], env, stdout, on: () => 0, off: () => 0 };
  const code = await runMover(host, clock);
  return { code, result: await resultOf(pod), progress: progressIn(output), output };
}

/** Empties what it is written to, for the next. */
export async function resultOf({ root }: Pod): Promise<CopyResult> {
  const log = join(root, 'dev/termination-log');
  const told = await readFile(log, 'utf8');
  await writeFile(log, '');
  // An export that was ended as it should has no result.
  return JSON.parse(told === '' ? 'null' : told) as CopyResult;
}

interface ProgramSite {
  /** Marks the processes, so that whatever a test leaves behind is ended with the site. */
  readonly id: string;
  readonly program: string;
}

function commandLine(
  { id, program }: ProgramSite,
  pod: Pod,
  args: readonly string[],
  options: StartOptions,
): CommandLine {
  const { tools, path = process.env['PATH'] ?? '', env = {}, capabilities, by = [] } = options;
  const file = process.execPath.startsWith(repository)
    ? join(program, process.execPath.slice(repository.length))
    : process.execPath;
  const narrowed = capabilities === undefined ? [] : ['setpriv', `--bounding-set=${bounding(capabilities)}`, '--'];
  const [first, ...rest] = [...by, ...narrowed, file];
  return {
    file: first ?? file,
    args: [...rest, join(program, 'controller/mover/main.ts'), ...modesOf(pod), ...args],
    env: {
      ...env,
      PATH: tools === undefined ? path : `${tools}:${path}`,
      CLONEGATE_COPY_ROOT: pod.root,
      [markerVariable]: id,
    },
  };
}

function bounding(capabilities: readonly string[]): string {
  return ['-all', ...capabilities.map((name) => `+${name.toLowerCase()}`)].join(',');
}

function startMover(site: ProgramSite, pod: Pod, given: readonly string[], options: StartOptions): Running {
  const { user } = options;
  const { file, args, env } = commandLine(site, pod, given, options);
  const child = spawn(file, args, {
    cwd: '/',
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  const progress: CopyProgress[] = [];
  const waiting: (() => void)[] = [];
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    output += piece;
    progress.splice(0, progress.length, ...progressIn(output));
    for (const wake of waiting) wake();
  });
  const said = text(child.stderr);
  const ended = (async (): Promise<Ended> => {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if ((await said) !== '') throw new Error(`exit code ${code}, and standard error has: ${await said}`);
    return { code, result: await resultOf(pod), progress, output };
  })();
  return {
    pid: child.pid ?? 0,
    until: async (satisfied) => {
      const seen = new Promise<void>((resolve) => {
        waiting.push(() => {
          if (progress.some(satisfied)) resolve();
        });
      });
      const early = async (): Promise<void> => {
        const { output: all } = await ended;
        if (!progress.some(satisfied)) throw new Error(`it ended before that: ${all}`);
      };
      await Promise.race([seen, early()]);
    },
    ended,
  };
}

function progressIn(output: string): readonly CopyProgress[] {
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as CopyProgress)
    .filter((line) => line.copy === 'progress');
}

/** Bytes that no compression or zero detection makes less of. */
export async function scribble(file: FileHandle, position: number, bytes: number): Promise<void> {
  await file.write(randomBytes(bytes), 0, bytes, position);
}

/** Writes an image with data here and there: at the beginning, in the middle, and in the last bytes. @param bytes of the image. */
export async function writeImage(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'r+').catch(async () => await open(path, 'w+', 0o660));
  try {
    if ((await file.stat()).isFile()) await file.truncate(bytes);
    await scribble(file, 0, 3 * mebibyte);
    await scribble(file, Math.floor(bytes / 2) - 7, 2 * mebibyte);
    // Zeros that take space, and a sector's worth at the end.
    await file.write(Buffer.alloc(mebibyte), 0, mebibyte, 5 * mebibyte);
    await scribble(file, bytes - 511, 511);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Hex SHA-256 of the first bytes, by a program that has nothing to do with ours. */
export async function sha256(path: string, bytes: number): Promise<string> {
  return await run('sh', '-c', `head -c ${bytes} "$1" | sha256sum | cut -d' ' -f1`, 'sh', path);
}

/** Fills a device or a file with bytes that are not zero, as a volume that somebody else had before. */
export async function dirty(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    for (let at = 0; at < bytes; at += mebibyte) await file.write(Buffer.alloc(mebibyte, 0xaa), 0, mebibyte, at);
    await file.sync();
  } finally {
    await file.close();
  }
}
