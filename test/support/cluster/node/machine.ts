import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheRoot } from '../cache.ts';
import { machineVariable } from '../identity.ts';
import { createProcess, type ManagedProcess, type ProcessSpec } from '../process.ts';
import { mountPoints } from '../remains.ts';
import { logFileOf, type Site } from '../site.ts';
import { createCgroups } from './cgroups.ts';
import { addressOf, machineName, podNetworkOf, serviceNetwork } from './network.ts';

const run = promisify(execFile);

/**
 * A machine within the machine: a network and a view of the file system that nobody else has. What the node's programs mount, listen at
 * or write to fixed places (/run, /var) is in there only, and gone when the last of them has ended.
 */
export interface Machine {
  /** Also the Node's name. */
  readonly name: string;
  /** From 1. */
  readonly index: number;
  readonly address: string;
  /** Seen at the same path from inside and outside. */
  readonly folder: string;
  /** The cgroup under which all pods are, without a slash in front. */
  readonly cgroup: string;
  /** Does nothing but keep the namespaces. */
  readonly holder: ManagedProcess;
  /** What to start in order to start a program in there. */
  inside(command: string, args: readonly string[]): Pick<ProcessSpec, 'command' | 'args' | 'env'>;
}

/** Settings of the whole kernel that the kubelet insists on. It is shown them as they should be, and so leaves the real ones alone. */
const sysctls: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/** The storage pool must be mounted before: what is mounted outside later is not seen inside. */
export async function startMachines(site: Site, count: number): Promise<readonly Machine[]> {
  const indexes = Array.from({ length: count }, (_, index) => index + 1);
  const machines = await Promise.all(indexes.map((index) => startMachine(site, index)));
  const [first, ...others] = machines;
  if (first === undefined) return [];
  await script(first, lanScript, [first.address]);
  for (const machine of others) {
    await script(first, cableScript, [`cable${machine.index}`, String(machine.holder.pid)]);
    await script(machine, plugScript, [machine.address]);
  }
  for (const machine of machines) {
    await script(machine, routeScript, [serviceNetwork]);
    for (const other of machines.filter(({ index }) => index !== machine.index))
      await script(machine, 'ip route add "$1" via "$2"', [podNetworkOf(other.index), other.address]);
  }
  return machines;
}

async function startMachine(site: Site, index: number): Promise<Machine> {
  const name = machineName(index);
  const folder = join(site.folders.state, name);
  const cgroup = `${site.id}/${name}`;
  mkdirSync(join(folder, 'private'), { recursive: true });
  createCgroups(cgroup);
  const holder = holderProcess(site, name);
  await holder.start();
  const machine: Machine = {
    name,
    index,
    address: addressOf(index),
    folder,
    cgroup,
    holder,
    inside: (command, args) => ({
      command: 'nsenter',
      args: [`--target=${holder.pid}`, '--mount', '--net', '--', command, ...args],
      env: { PATH: `${process.env['PATH']}:/usr/sbin:/sbin` },
    }),
  };
  await forgetOthers(machine, site);
  await script(machine, fileSystemScript, [join(folder, 'private')]);
  for (const [name, value] of Object.entries(sysctls)) {
    const file = join(folder, name.replaceAll('/', '.'));
    writeFileSync(file, `${value}\n`);
    await script(machine, 'mount --bind "$1" "$2"', [file, join('/proc/sys', name)]);
  }
  return machine;
}

/** What other clusters and tests have mounted would stay mounted in here when they want it gone. */
async function forgetOthers(machine: Machine, { folders }: Site): Promise<void> {
  const work = [`${tmpdir()}/`, `${cacheRoot(process.env)}/`];
  const others = mountPoints(machine.holder.pid).filter(
    (mount) => work.some((folder) => mount.startsWith(folder)) && !mount.startsWith(`${folders.state}/`),
  );
  // One whose folder is removed outside goes by itself.
  for (const mount of others) await script(machine, 'umount --lazy "$1" || ! mountpoint --quiet "$1"', [mount]);
}

function holderProcess(site: Site, name: string): ManagedProcess {
  const holder: ManagedProcess = createProcess({
    name: `machine.${name}`,
    cluster: site.id,
    onDeath: site.onDeath,
    env: { [machineVariable]: site.id },
    logFile: logFileOf(site, `machine.${name}`),
    command: 'unshare',
    args: ['--mount', '--net', '--propagation=private', 'sleep', 'infinity'],
    // unshare becomes sleep when the namespaces are made.
    ready: () => readFileSync(`/proc/${holder.pid}/comm`, 'utf8').trim() === 'sleep',
  });
  return holder;
}

/** /var with all that it has, but what is written stays in memory; an empty /run; mounts can be shared with containers, as on any node. */
const fileSystemScript = `
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/var" "$1/work"
mount -t overlay -o "lowerdir=/var,upperdir=$1/var,workdir=$1/work" overlay /var
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
`;

/** The network that the nodes share lies in the first one's namespace. */
const lanScript = `
ip link add lan0 type bridge
ip address add "$1/24" dev lan0
`;
const cableScript = `
ip link add "$1" type veth peer name lan0 netns "$2"
ip link set "$1" master lan0 up
`;
const plugScript = 'ip address add "$1/24" dev lan0';

/**
 * A Service's address is rewritten on its way, but the kernel wants to know a way first. Bridged packets pass the rules too, or a pod
 * that talks to itself or its neighbour through a Service would get its answer from a stranger.
 */
const routeScript = `
ip link set lo up
ip link set lan0 up
ip route add "$1" dev lan0
sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
`;

/** Runs shell lines inside; the first that fails ends it. @throws Error with what it said. */
async function script(machine: Machine, lines: string, args: readonly string[]): Promise<void> {
  const { command, args: words, env } = machine.inside('sh', ['-euc', lines, 'sh', ...args]);
  await run(command, [...words], { env });
}
