import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../../support/csi/command.ts';
import { mebibyte, openSite, type PodSite, sha256, writeImage } from '../../support/mover.ts';
import { makePair, type Pair, startExport, stop } from '../../support/mover-pair.ts';
import { keepNetwork, withinNetwork } from '../../support/network.ts';
import { plant, portrait } from './trees.ts';

/** Two pods whose addresses are IPv6, by the real programs. */

const size = 24 * mebibyte;

let site: PodSite;
/** Of their own, as there is but one such address on a loopback device, and the port is always the same. */
let network: ChildProcess;
let by: readonly string[];

beforeAll(async () => {
  site = await openSite();
  network = await keepNetwork(site.marks);
  by = ['nsenter', ...withinNetwork(network)];
  await run('nsenter', ...withinNetwork(network), 'ip', 'link', 'set', 'lo', 'up');
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
