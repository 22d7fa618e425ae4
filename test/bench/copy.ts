import { randomFillSync } from 'node:crypto';
import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureNodeRequirements } from '../support/cluster/node/requirements.ts';
import { run } from '../support/csi/command.ts';
import { mebibyte, openSite, type Pod, type PodSite, resultOf } from '../support/mover.ts';
import { copyApart } from './copy-apart.ts';
import { type CopyCase, type CopyRun, failuresOf, podTable, tablesOf } from './copy-findings.ts';
import { measurePods } from './copy-pods.ts';
import { asInImage, bundleInto } from './copy-program.ts';
import { measure } from './measure.ts';
import type { Bench, BenchOptions, Report } from './report.ts';
import { rotated } from './stats.ts';

/** What the program in a copy pod costs, beside what one would type: the same two mounted volumes, in turns, within one run. */

const gibibyte = 1024 * mebibyte;

// All of it is at the mercy of what the machine's disk does beside it, what takes seconds even more than what takes many.
const full = {
  rounds: { dense: 5, sparse: 7, small: 1 },
  pods: 5,
  dense: 4 * gibibyte,
  sparse: 20 * gibibyte,
  data: gibibyte,
  small: 50_000,
};
const quick = {
  rounds: { dense: 1, sparse: 1, small: 1 },
  pods: 1,
  dense: 256 * mebibyte,
  sparse: gibibyte,
  data: 64 * mebibyte,
  small: 1000,
};

const image = {
  content: 'kubevirt',
  plain: 'qemu-img convert',
  uncached: 'qemu-img convert -W -T none -t none',
} as const;

const tree = { content: 'archive', plain: 'cp -a --sparse=always' } as const;

/** Files that a tree's bytes are in, unless these are to be small: of so many bytes. */
const files = 64;
const smallFile = 4096;

export const copy: Bench = async ({ quick: short, log }: BenchOptions): Promise<Report> => {
  const { rounds, pods, dense, sparse, data, small } = short ? quick : full;
  // Before the minutes, not behind them: without the pods half of it would be missing.
  await ensureNodeRequirements();
  const all = { bytes: dense, data: dense, rounds: rounds.dense };
  const holes = { bytes: sparse, data, rounds: rounds.sparse };
  const many = { bytes: small * smallFile, data: small * smallFile, files: small, rounds: rounds.small };
  const cases: readonly CopyCase[] = [
    { name: 'image, all data', ...all, ...image },
    { name: 'image, sparse', ...holes, ...image },
    { name: 'tree, all data', ...all, ...tree },
    { name: 'tree, sparse', ...holes, ...tree },
    { name: `tree, ${small} files`, ...many, ...tree },
  ];
  const runs: CopyRun[] = [];
  for (const one of cases) {
    const site = await openSite();
    try {
      await bundleInto(site);
      log(`${one.name}: ${one.bytes / gibibyte} GiB with ${one.data / gibibyte} of data, ${one.rounds} rounds`);
      runs.push(...(await measureCase(site, one)));
    } finally {
      await site.close();
    }
  }
  log(`pods on a node, ${pods} rounds`);
  const inPods = await measurePods(pods, log);
  return {
    title: 'Copies, by the program in the copy pod and plainly',
    notes,
    tables: [...tablesOf(runs), podTable(inPods)],
    failures: failuresOf(runs, inPods),
  };
};

const notes = [
  'Two ext4 file systems on loop devices, whose files are read and written past the page cache. Before each copy the destination is emptied',
  'and the source is dropped from the page cache; the time ends when the storage has everything (by hand: sync -f behind it).',
  'Clonegate leaves the page cache alone; what that costs the same tool by itself is told, too.',
  "Clonegate runs as in the image, from its bundle and with the pod's flags for Node; its time is what its result says, and start-up is Node's.",
  'Two pods are on one machine, each in a network namespace, with a veth between them; once each, in the first round.',
  'What a pod takes before and after that stands in the table of pods; the idle pod is made in the same round, with two volumes as well.',
];

async function measureCase(site: PodSite, one: CopyCase): Promise<readonly CopyRun[]> {
  const room = Math.ceil(one.bytes * 1.15) + 256 * mebibyte;
  const pod = await site.pod(await site.volume('ext4', room), await site.volume('ext4', room));
  await furnish(pod, one);
  const runs: CopyRun[] = [];
  for (let round = 0; round < one.rounds; round += 1) {
    const all = [
      plainly,
      ...(one.uncached === undefined ? [] : [uncached]),
      byClonegate,
      ...(round === 0 ? [apart] : []),
    ];
    for (const way of rotated(all, round)) {
      await clear(pod);
      const made = await way(site, pod, one, round);
      // Once, and only ours: it takes longer than the copies, as it reads holes as zeros.
      const isOurs = way === byClonegate || way === apart;
      const compared = round === 0 && isOurs ? await compare(pod) : [];
      runs.push({ ...made, wrong: [...made.wrong, ...compared] });
    }
  }
  return runs;
}

/** Data in stretches of 4 MiB, evenly among holes where there are any. */
async function furnish({ source }: Pod, { content, bytes, data, files: count = files }: CopyCase): Promise<void> {
  const names =
    content === 'kubevirt' ? ['disk.img'] : Array.from({ length: count }, (_, at) => `folder-${at % 8}/${at}`);
  const [size, filled] = [bytes / names.length, data / names.length];
  const stretch = Math.min(4 * mebibyte, filled);
  const buffer = Buffer.alloc(stretch);
  randomFillSync(buffer);
  for (const name of names) {
    await mkdir(join(source.path, name, '..'), { recursive: true });
    const file = await open(join(source.path, name), 'w');
    await file.truncate(size);
    for (let at = 0; at < filled; at += stretch) {
      // Nobody compresses or deduplicates here; what differs is for the comparison to find.
      randomFillSync(buffer, 0, 4096);
      await file.write(buffer, 0, stretch, Math.floor((at * size) / filled));
    }
    await file.close();
  }
  await run('sync', '-f', source.path);
}

async function clear({ source, destination }: Pod): Promise<void> {
  for (const name of await readdir(destination.path))
    if (name !== 'lost+found') await rm(join(destination.path, name), { recursive: true });
  await run('fstrim', destination.path).catch(() => undefined);
  await run('sync', '-f', destination.path);
  // What dd calls nocache: the kernel is told that the file's pages are not needed. Of small ones it would take longer than to copy them.
  const large = ['-type', 'f', '-size', '+1M'];
  await run('find', source.path, ...large, '-exec', 'dd', 'if={}', 'iflag=nocache', 'count=0', 'status=none', ';');
}

async function plainly(_: PodSite, pod: Pod, one: CopyCase, round: number): Promise<CopyRun> {
  const line =
    one.content === 'kubevirt'
      ? 'qemu-img convert -f raw -O raw "$1/disk.img" "$2/disk.img"'
      : 'cp -a --sparse=always "$1/." "$2/"';
  return { ...(await byHand(pod, line)), case: one, round, by: 'plain' };
}

/** As Clonegate asks the same tool for it. */
async function uncached(_: PodSite, pod: Pod, one: CopyCase, round: number): Promise<CopyRun> {
  const convert = 'qemu-img convert -n --target-is-zero -W -T none -t none -f raw -O raw "$1/disk.img" "$2/disk.img"';
  return {
    ...(await byHand(pod, `truncate -r "$1/disk.img" "$2/disk.img" && ${convert}`)),
    case: one,
    round,
    by: 'uncached',
  };
}

async function byHand({ source, destination }: Pod, line: string): Promise<Omit<CopyRun, 'case' | 'round' | 'by'>> {
  const args = ['-c', `${line} && sync -f "$2"`, 'sh', source.path, destination.path];
  const { seconds, cpu, memory, code, output } = await measure('sh', args);
  const wrong = code === 0 ? [] : [output];
  return { seconds, startup: 0, cpu, memory: { program: undefined, tools: memory.started }, wrong };
}

async function byClonegate(site: PodSite, pod: Pod, one: CopyCase, round: number): Promise<CopyRun> {
  const { file, args, env } = asInImage(site, site.commandLine(pod, [`--content=${one.content}`]));
  const { seconds: all, cpu, memory, code, output } = await measure(file, args, env);
  const result = await resultOf(pod);
  const seconds = result.outcome === 'succeeded' ? result.seconds : all;
  const used = { program: memory.own, tools: memory.started };
  const wrong = code === 0 ? [] : [output];
  return { case: one, round, by: 'clonegate', seconds, startup: all - seconds, cpu, memory: used, wrong };
}

async function apart(site: PodSite, pod: Pod, one: CopyCase, round: number): Promise<CopyRun> {
  return { ...(await copyApart(site, pod, [`--content=${one.content}`])), case: one, round, by: 'apart' };
}

/** By a program that has no part in either. */
async function compare({ source, destination }: Pod): Promise<readonly string[]> {
  try {
    await run('diff', '-r', '--no-dereference', source.path, destination.path);
    return [];
  } catch (error) {
    return [String(error)];
  }
}
