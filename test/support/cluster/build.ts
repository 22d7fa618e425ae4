import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Binaries, type BinaryName, binariesIn, binaryNames } from './binaries.ts';
import { cached, cacheRoot, keyOfInputs } from './cache.ts';
import { go, toolsFolder } from './go.ts';
import { type Progress, startProgress } from './progress.ts';

/** What is built and how; everything in here is part of the cache key. */
export interface BuildPlan {
  readonly goMod: string;
  readonly goSum: string;
  /** As `go env GOVERSION` has it. */
  readonly goVersion: string;
  /** Go's own names, such as `linux/amd64`. */
  readonly platform: string;
  readonly flags: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Paths of the programs. A folder named by KUBEBUILDER_ASSETS comes first for what it holds; the others are built once, which takes
 * minutes, and kept in the cache.
 * @throws Error that says what to install when Go is missing.
 */
export async function ensureBinaries(needed: readonly BinaryName[], env = process.env): Promise<Binaries> {
  const assets = env['KUBEBUILDER_ASSETS'];
  const given = assets === undefined ? new Map<BinaryName, string>() : binariesIn(assets);
  const missing = needed.filter((name) => !given.has(name));
  const built = missing.length === 0 ? new Map<BinaryName, string>() : binariesIn(await ensureBuilt(env));
  return (name) => {
    const path = given.get(name) ?? built.get(name);
    if (path === undefined)
      throw new Error(`${name} was not asked for, or the cache is damaged: remove ${cacheRoot(env)}`);
    return path;
  };
}

/** The folder with all of the programs. */
export async function ensureBuilt(env = process.env): Promise<string> {
  const plan = await readPlan();
  return await cached({
    root: cacheRoot(env),
    name: `bin-${planKey(plan)}`,
    make: (folder, lockFd) => build(plan, folder, lockFd),
    onWait: (line) => process.stderr.write(`${line}\n`),
  });
}

/** Names the folder in the cache. What changes only how the compiler runs (memory, output) is not in the plan. */
export function planKey(plan: BuildPlan): string {
  const env = Object.entries(plan.env).map(([name, value]) => `${name}=${value}`);
  return keyOfInputs([plan.goMod, plan.goSum, plan.goVersion, plan.platform, ...plan.flags, ...env]);
}

async function readPlan(): Promise<BuildPlan> {
  const [goMod, goSum, answer] = await Promise.all([
    readFile(join(toolsFolder, 'go.mod'), 'utf8'),
    readFile(join(toolsFolder, 'go.sum'), 'utf8'),
    go(['env', 'GOVERSION', 'GOOS', 'GOARCH']),
  ]);
  const [goVersion = '', os = '', arch = ''] = answer.trim().split('\n');
  return {
    goMod,
    goSum,
    goVersion,
    platform: `${os}/${arch}`,
    // Symbols and debug information are a third of the size and a fifth of the time. Inlining takes a fifth more, once, and saves the API
    // server a tenth or more of its CPU time in every run: 9.3 and 10.0 s instead of 11.4 s in two files of tests that start one each.
    flags: ['-trimpath', '-buildvcs=false', '-gcflags=all=-dwarf=false', `-ldflags=-s -w ${versionFlags(goMod)}`],
    env: { CGO_ENABLED: '0' },
  };
}

/**
 * Kubernetes learns its version from the linker; without it the API server would say v0.0.0-master and kubectl would complain.
 * @throws Error when go.mod names no version of Kubernetes.
 */
export function versionFlags(goMod: string): string {
  const version = /^(?:require|\s)\s*k8s\.io\/kubernetes (v1\.(\d+)\.\S+)/m.exec(goMod);
  if (version === null) throw new Error(`no line for k8s.io/kubernetes in ${toolsFolder}/go.mod`);
  const values = {
    gitVersion: version[1],
    gitMajor: '1',
    gitMinor: version[2],
    gitTreeState: 'clean',
    gitCommit: '0000000',
    buildDate: '1970-01-01T00:00:00Z',
  };
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  const flags = packages.flatMap((path) =>
    Object.entries(values).map(([name, value]) => `-X ${path}.${name}=${value}`),
  );
  return flags.join(' ');
}

/** One `go build` for all, so that what they share is compiled once and linking one goes on beside compiling another. */
async function build(plan: BuildPlan, folder: string, lockFd: number): Promise<void> {
  const progress = startProgress('building the control plane (once)');
  // Fewer garbage collections in compilers that live for seconds: a fifth of the time for memory that a build machine has.
  const env = { ...plan.env, GOGC: '800', GOMEMLIMIT: '6GiB' };
  try {
    const total = await listPackages(env, progress);
    let count = 0;
    progress.now('compiling and linking');
    const onLine = (line: string): void => {
      count += 1;
      progress.now(`compiling, ${count} of at most ${total} packages: ${line}`);
    };
    await go(['build', '-v', ...plan.flags, '-o', `${folder}/`, 'tool'], { env, lockFd, onLine });
    // go names a program after its package, and etcd's is called server.
    await rename(join(folder, 'server'), join(folder, 'etcd'));
    progress.done(`done: ${binaryNames.length} programs`);
  } catch (error) {
    progress.done('failed');
    throw error;
  }
}

/** Counts them, and downloads the modules by the way, which go reports line by line. */
async function listPackages(env: Readonly<Record<string, string>>, progress: Progress): Promise<number> {
  progress.now('reading modules');
  const list = await go(['list', '-deps', 'tool'], { env, onLine: (line) => progress.now(line) });
  return list.trimEnd().split('\n').length;
}
