import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, join } from 'node:path';
import { markerVariable } from '../cluster/identity.ts';
import { run } from '../csi/command.ts';
import type { BuiltImage } from './build.ts';

/** Runs the image by runc as a restricted pod would run it: read-only root, no capabilities, no way to get any, another user than root. */

export interface ContainerSpec {
  /** Unlike that of any other container of the cluster. */
  readonly name: string;
  /** Temp folder of the cluster that it goes with, whose name is the cluster's id: what is left of the container is swept with it. */
  readonly folder: string;
  /** In place of the image's own arguments. */
  readonly args: readonly string[];
  /** In addition to the image's, or in place of those of the same name. */
  readonly env?: Readonly<Record<string, string>>;
  readonly mounts?: readonly Mount[];
  /** Default is the image's. */
  readonly user?: User;
  /** The root can be written to, as far as the user may; default false. */
  readonly writableRoot?: boolean;
  /** As on a machine whose kernel was started with `ipv6.disable=1`; default false. */
  readonly withoutIpv6?: boolean;
}

export interface Mount {
  /** Folder or file of this machine. */
  readonly source: string;
  /** Below /run, which is the container's own, or a path that the image has. */
  readonly destination: string;
  readonly writable?: boolean;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** config.json of the OCI runtime specification, as far as it is changed here. */
interface RuntimeConfig {
  readonly process: { readonly args: readonly string[]; readonly env: readonly string[]; readonly user: User };
  readonly linux: { readonly namespaces: readonly { readonly type: string }[] };
  readonly mounts: readonly object[];
}

export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

/**
 * Prepares a container. It has this machine's network, so that it reaches what listens on loopback, and everything else of its own.
 * @returns what runs it in the foreground, ends with its exit code, and hands signals on to it.
 */
export function container(image: BuiltImage, spec: ContainerSpec): CommandLine {
  const bundle = join(spec.folder, 'containers', spec.name);
  mkdirSync(bundle, { recursive: true });
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(configOf(image, spec)));
  return { command: 'runc', args: [...stateOf(spec), 'run', '--bundle', bundle, idOf(spec)] };
}

/** The container's first process, as this machine counts it. @throws CommandError when the container does not run. */
export async function pidOf(spec: Pick<ContainerSpec, 'folder' | 'name'>): Promise<number> {
  const state = JSON.parse(await run('runc', ...stateOf(spec), 'state', idOf(spec))) as { readonly pid: number };
  return state.pid;
}

/** runc keeps what it knows of containers in the cluster's folder, too. */
function stateOf({ folder }: Pick<ContainerSpec, 'folder'>): readonly string[] {
  return ['--root', join(folder, 'containers', 'runc')];
}

function idOf({ folder, name }: Pick<ContainerSpec, 'folder' | 'name'>): string {
  return `${basename(folder)}-${name}`;
}

function configOf(image: BuiltImage, spec: ContainerSpec): object {
  const config = JSON.parse(readFileSync(join(image.unpacked, 'config.json'), 'utf8')) as RuntimeConfig;
  const [entrypoint = ''] = config.process.args;
  const id = basename(spec.folder);
  return {
    ...config,
    root: { path: join(image.unpacked, 'rootfs'), readonly: spec.writableRoot !== true },
    process: {
      ...config.process,
      terminal: false,
      args: [entrypoint, ...spec.args],
      env: withVariables(config.process.env, { ...spec.env, [markerVariable]: id }),
      user: spec.user ?? config.process.user,
      capabilities: {},
      noNewPrivileges: true,
    },
    mounts: [...config.mounts, ownRun, ...(spec.mounts ?? []).map(bound)],
    linux: {
      ...config.linux,
      namespaces: config.linux.namespaces.filter(({ type }) => type !== 'network'),
      cgroupsPath: `/${basename(spec.folder)}/${spec.name}`,
      ...(spec.withoutIpv6 === true ? { seccomp: noIpv6 } : {}),
    },
  };
}

/** A socket of family AF_INET6 is refused as by a kernel that does not know it: EAFNOSUPPORT. */
const noIpv6 = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [
    {
      names: ['socket'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: constants.errno.EAFNOSUPPORT,
      args: [{ index: 0, value: 10, op: 'SCMP_CMP_EQ' }],
    },
  ],
};

/** A variable that is there twice counts as what it is first. */
function withVariables(env: readonly string[], own: Readonly<Record<string, string>>): readonly string[] {
  const others = env.filter((entry) => own[entry.split('=')[0] ?? ''] === undefined);
  return [...others, ...Object.entries(own).map(([name, value]) => `${name}=${value}`)];
}

/** Where mount points are made; only root can write there. */
const ownRun = {
  destination: '/run',
  type: 'tmpfs',
  source: 'tmpfs',
  options: ['nosuid', 'nodev', 'noexec', 'mode=755', 'size=1m'],
};

function bound({ source, destination, writable = false }: Mount): object {
  return { destination, type: 'bind', source, options: ['rbind', writable ? 'rw' : 'ro', 'nosuid', 'nodev'] };
}
