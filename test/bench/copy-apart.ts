import { readFile } from 'node:fs/promises';
import { podAddressVariable } from '../../shared/api/copy.ts';
import { run } from '../support/csi/command.ts';
import { type CommandLine, type Pod, type PodSite, resultOf, type Side } from '../support/mover.ts';
import { makePair } from '../support/mover-pair.ts';
import { keepNetwork, withinNetwork } from '../support/network.ts';
import type { CopyRun } from './copy-findings.ts';
import { asInImage } from './copy-program.ts';
import { type Measured, measuring } from './measure.ts';

/** The same copy by two pods, with TLS, over a network that counts what goes over it. */

type Found = Omit<CopyRun, 'case' | 'round' | 'by'>;

export async function copyApart(site: PodSite, { source, destination }: Pod, args: readonly string[]): Promise<Found> {
  const pair = await makePair(site, source, destination);
  const line = (pod: Pod, given: readonly string[]): CommandLine => asInImage(site, site.commandLine(pod, given));
  const from = line(pair.exporter, ['--role=export', ...args]);
  const network = await openNetwork(site);
  const { address } = network;
  const exporter = start(network.within('source', { ...from, env: { ...from.env, [podAddressVariable]: address } }));
  const to = line(pair.importer, ['--role=import', `--peer=${address}`, ...args]);
  const importer = await start(network.within('destination', to)).ended;
  exporter.end();
  const other = await exporter.ended;
  const [result, sent] = [await resultOf(pair.importer), await network.sent()];
  network.close();
  const seconds = result.outcome === 'succeeded' ? result.seconds : importer.seconds;
  return {
    seconds,
    startup: importer.seconds - seconds,
    cpu: importer.cpu + other.cpu,
    memory: {
      program: importer.memory.own,
      exporter: other.memory.own,
      tools: Math.max(importer.memory.started, other.memory.started),
    },
    sent,
    wrong: [...wrongWith(importer), ...wrongWith(other)],
  };
}

function start({ file, args, env }: CommandLine): ReturnType<typeof measuring> {
  return measuring(file, args, { ...env });
}

function wrongWith({ code, output }: Measured): readonly string[] {
  return code === 0 ? [] : [output];
}

interface Network {
  /** Of the export pod. */
  readonly address: string;
  /** The same program, run in one of the two pods. */
  within(side: Side, line: CommandLine): CommandLine;
  /** Bytes that went over it, both ways, with all headers. */
  sent(): Promise<number>;
  close(): void;
}

/** Set aside for documentation, and nobody else's in these namespaces. */
const addresses = { source: '192.0.2.1', destination: '192.0.2.2' } as const;

/** Two namespaces, and what connects them. */
async function openNetwork({ marks }: PodSite): Promise<Network> {
  const keepers = { source: await keepNetwork(marks), destination: await keepNetwork(marks) };
  const enter = (side: Side): readonly string[] => withinNetwork(keepers[side]);
  const ip = async (side: Side, ...args: readonly string[]): Promise<unknown> =>
    await run('nsenter', ...enter(side), 'ip', ...args);
  await ip('source', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'eth0', 'netns', String(keepers.destination.pid));
  for (const side of ['source', 'destination'] as const) {
    await ip(side, 'address', 'add', `${addresses[side]}/30`, 'dev', 'eth0');
    for (const device of ['lo', 'eth0']) await ip(side, 'link', 'set', device, 'up');
  }
  return {
    address: addresses.source,
    within: (side, { file, args, env: own }) => ({ file: 'nsenter', args: [...enter(side), file, ...args], env: own }),
    sent: async () => {
      const counted = await readFile(`/proc/${keepers.source.pid}/net/dev`, 'utf8');
      const [, received, sent] = /^\s*eth0:\s+(\d+)(?:\s+\d+){7}\s+(\d+)/mu.exec(counted) ?? [];
      return Number(received) + Number(sent);
    },
    close: () => {
      for (const keeper of Object.values(keepers)) keeper.kill();
    },
  };
}
