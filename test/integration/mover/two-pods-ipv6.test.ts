import { type ChildProcess, spawn } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../support/cluster/until.ts';
import { run } from '../../support/csi/command.ts';
import { mebibyte, openSite, type PodSite, sha256, writeImage } from '../../support/mover.ts';
import { makePair, type Pair, startExport, stop } from '../../support/mover-pair.ts';
import { plant, portrait } from './trees.ts';

/** Two pods whose addresses are IPv6, by the real programs. */

const size = 24 * mebibyte;

let site: PodSite;
/** Keeps a network that has nothing but a loopback device: of its own, as there is but one such address, and the ports are always the same. */
let network: ChildProcess;
let by: readonly string[];

beforeAll(async () => {
  site = await openSite();
  network = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  const own = await readlink('/proc/self/ns/net');
  await until('the network to be there', async () => (await readlink(`/proc/${network.pid}/ns/net`)) !== own);
  by = ['nsenter', `--net=/proc/${network.pid}/ns/net`, '--'];
  await run('nsenter', ...by.slice(1), 'ip', 'link', 'set', 'lo', 'up');
});

afterAll(async () => {
  network?.kill();
  await site?.close();
});

async function pairOf(kind: 'xfs' | 'ext4'): Promise<Pair> {
  const pair = await makePair(site, await site.volume('ext4', 128 * mebibyte), await site.volume(kind, 320 * mebibyte));
  return { ...pair, address: '::1', args: ['--role=import', '--peer=::1'] };
}

test('a disk image is copied, and verified', async () => {
  const pair = await pairOf('ext4');
  const image = join(pair.exporter.source.path, 'disk.img');
  await writeImage(image, size);
  const exporting = startExport(site, pair, ['--content=kubevirt'], { by });
  const { result } = await site.start(pair.importer, [...pair.args, '--content=kubevirt', '--verify=true'], { by })
    .ended;
  expect(result).toMatchObject({ digest: `sha256:${await sha256(image, size)}` });
  expect(await stop(exporting)).toBe(0);
});

test('a tree is copied, and verified', async () => {
  const pair = await pairOf('xfs');
  await plant(pair.exporter.source.path);
  const exporting = startExport(site, pair, ['--content=archive'], { by });
  const { result } = await site.start(pair.importer, [...pair.args, '--content=archive', '--verify=true'], { by })
    .ended;
  expect(result).toMatchObject({ outcome: 'succeeded' });
  expect(await portrait(pair.importer.destination.path)).toBe(await portrait(pair.exporter.source.path));
  expect(await stop(exporting)).toBe(0);
});
