import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { generateStampKeys, type StampKeyFiles } from '../../../shared/trust/keys.ts';
import { stampedClone } from '../../support/build/clones.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningController, startController } from '../../support/controller.ts';

/** The controller, whose keys are replaced while it runs. */

let cluster: Cluster;
let controller: RunningController;
let old: StampKeyFiles;
let next: StampKeyFiles;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'keys' });
  [old, next] = [await generateStampKeys(), await generateStampKeys()];
  controller = await startController(cluster, { keys: old });
});

afterAll(async () => {
  await cluster?.stop();
});

const path = '/apis/cdi.kubevirt.io/v1beta1/namespaces/default/datavolumes';

/** A clone of something that does not exist, stamped with these keys. */
async function put(name: string, keys: StampKeyFiles): Promise<void> {
  await cluster.api.post(
    path,
    await stampedClone(keys, { namespace: 'default', name, source: 'gone', strategy: null }),
  );
}

async function reasonOf(name: string): Promise<string | undefined> {
  const { status } = await cluster.api.get<DataVolume>(`${path}/${name}`);
  return status?.conditions?.find(({ type }) => type === 'Running')?.reason;
}

async function becomes(name: string, reason: string): Promise<void> {
  await until(`${name} to be ${reason}`, async () => (await reasonOf(name)) === reason);
}

/** Writes the files, and waits until the controller has said that it goes by them. */
async function replace(stampPublicKeys: string, identityKeys: string): Promise<void> {
  const said = 'New stamp keys are accepted';
  const times = (): number => readFileSync(controller.process.logFile, 'utf8').split(said).length;
  const before = times();
  const folder = join(cluster.address.folder, 'clonegate-controller-keys');
  writeFileSync(join(folder, 'identity-key.json'), identityKeys);
  writeFileSync(join(folder, 'stamp-public-keys.json'), stampPublicKeys);
  await until(`the controller to say: ${said}`, () => times() > before);
}

const published = (...keys: readonly StampKeyFiles[]): string =>
  JSON.stringify({
    keys: keys.flatMap(({ stampPublicKeys }) => (JSON.parse(stampPublicKeys) as { keys: object[] }).keys),
  });
const privately = (...keys: readonly StampKeyFiles[]): string =>
  JSON.stringify({ keys: keys.map(({ identityKey }) => JSON.parse(identityKey) as object) });

describe('the keys of the controller', () => {
  it('are the old ones at first: what a new one has stamped is not carried out', async () => {
    await put('early', old);
    await put('stranger', next);
    await becomes('early', 'CloneWithoutSource');
    await becomes('stranger', 'CloneUnauthorized');
    expect(await reasonOf('early')).toBe('CloneWithoutSource');
  });

  it('are both while both are published', async () => {
    await replace(published(old, next), privately(old, next));
    await put('of-the-new', next);
    await put('of-the-old', old);
    await becomes('of-the-new', 'CloneWithoutSource');
    await becomes('of-the-old', 'CloneWithoutSource');
    expect(await reasonOf('early')).toBe('CloneWithoutSource');
  });

  it('are the new ones once the old are withdrawn: what waits with an old stamp is never carried out', async () => {
    await replace(published(next), privately(next));
    for (const name of ['early', 'of-the-new', 'stranger'])
      expect((await cluster.kubectl(['label', 'datavolume', name, 'looked=at'])).code).toBe(0);
    await becomes('early', 'CloneUnauthorized');
    // Refused before, for want of a key that is here now.
    await becomes('stranger', 'CloneWithoutSource');
    expect(await reasonOf('of-the-new')).toBe('CloneWithoutSource');
  });
});
