import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { temporaryName } from '../../../../controller/children.ts';
import { annotations } from '../../../../shared/api/names.ts';
import type { PersistentVolume } from '../../../../shared/api/objects.ts';
import { until } from '../../../support/cluster/index.ts';
import { sharedCluster } from '../../../support/cluster/shared.ts';
import type { FaultControl } from '../../../support/csi/control.ts';
import type { Tenant } from '../tenant.ts';
import type { Call } from './interposer.ts';
import { shapeOf, shapes } from './shapes.ts';
import { type Clone, patient, Stage } from './stage.ts';
import { type Point, Strikes } from './strikes.ts';
import { endOf, leftoversOf, told, well } from './verdict.ts';

/** A driver that fails, and people who lay hands on what a clone is made of. */

const cluster = sharedCluster();
let stage: Stage;
let driver: FaultControl;

beforeAll(async () => {
  stage = await Stage.open(cluster);
  driver = stage.cluster.faults('reflink');
  await stage.startController([...patient, '--stall-after=4s']);
});
afterEach(async () => {
  stage.interposer.meddler = {};
  await driver.dispose();
});
afterAll(async () => {
  await stage?.close();
  await cluster.close();
});

const planOf = async (...names: readonly string[]): Promise<readonly Clone[]> =>
  stage.plan(names.map((name) => ({ shape: shapeOf(name) })));

const eventsOf = async ({ name }: Clone, last: string) => stage.home.events(name, last);

describe('a driver', () => {
  test('that fails once, at everything it is asked, is asked again', async () => {
    const clones = await stage.plan(shapes.filter(({ full }) => full).map((shape) => ({ shape })));
    const set = [
      await driver.set('CreateVolume', { mode: 'once', code: 'INTERNAL', source: 'any' }),
      await driver.set('CreateSnapshot', { mode: 'once', code: 'INTERNAL' }),
      await driver.set('DeleteSnapshot', { mode: 'once', code: 'INTERNAL' }),
      await driver.set('ControllerExpandVolume', { mode: 'once', code: 'INTERNAL' }),
      await driver.set('NodeExpandVolume', { mode: 'once', code: 'INTERNAL' }),
    ];

    await stage.begin(clones);

    expect(await endOf(stage, clones)).toEqual(well);
    expect(await Promise.all(set.map(async (fault) => driver.strikes(fault)))).toEqual(set.map(() => 1));
  });

  test('that takes its time is said to, and waited for', async () => {
    const clones = await planOf('csi-clone', 'snapshot elsewhere', 'restore elsewhere grown late');
    await driver.set('CreateVolume', { mode: 'hold', source: 'any' });
    await driver.set('CreateSnapshot', { mode: 'hold' });

    await stage.begin(clones);
    for (const clone of clones) await eventsOf(clone, 'CloneStalled');
    await driver.dispose();

    expect(await endOf(stage, clones)).toEqual(well);
  });

  test.each(['csi-clone', 'csi-clone elsewhere grown late'])(
    'that will never do a %s is left for the next strategy, and nothing of the first is left',
    async (name) => {
      const [clone] = await planOf(name);
      if (clone === undefined) throw new Error('nothing was planned');
      const message = 'this pool has no clones';
      await driver.set('CreateVolume', { mode: 'always', code: 'INVALID_ARGUMENT', message, source: 'volume' });

      await stage.begin([clone], {
        candidates: [
          { strategy: 'csi-clone', reason: 'Preferred', message: 'the profile says so' },
          { strategy: 'snapshot', reason: 'NotPreferred', message: 'it would do' },
        ],
      });

      expect(await endOf(stage, [clone])).toEqual(well);
      const { metadata } = await stage.home.volume(clone.name);
      expect(metadata.annotations?.[annotations.cloneType]).toBe('snapshot');
      const events = await eventsOf(clone, 'CloneStrategyFallback');
      expect(events.find(({ reason }) => reason === 'CloneStrategyFallback')?.note).toContain(message);
    },
  );

  test('that will never do what there is no other way to do is quoted, and the deletion takes everything along', async () => {
    const clones = await planOf('csi-clone elsewhere', 'snapshot', 'restore grown late');
    const message = 'the array is read-only';
    await driver.set('CreateVolume', { mode: 'always', code: 'INVALID_ARGUMENT', message, source: 'any' });

    await stage.begin(clones);
    for (const { name } of clones)
      expect(told(await stage.home.reaches(name, 'Failed', 'CloneFailed'))).toContain(message);
    await Promise.all(clones.map(async (clone) => stage.remove(clone)));

    expect(await leftoversOf(stage)).toEqual([]);
  });
});

/** A clone into another namespace, of a source in one that only this test has. */
async function planFrom(prefix: string): Promise<{ readonly clone: Clone; readonly place: Tenant }> {
  const place = await stage.addPlace(prefix);
  await stage.makeSource(place, 'block');
  const clone = await planOne();
  return { place, clone: { ...clone, source: { ...clone.source, namespace: place.namespace, name: 'block' } } };
}

async function planOne(): Promise<Clone> {
  const [clone] = await planOf('csi-clone elsewhere');
  if (clone === undefined) throw new Error('nothing was planned');
  return clone;
}

/** Begins a clone and holds the controller up at a write of it. @returns once that is done which is to be done there. */
async function interrupt(clone: Clone, point: Omit<Point, 'nth'>, act: (call: Call) => Promise<void>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const strikes = new Strikes(stage.trail);
  strikes.order(clone.name, { ...point, nth: 1 }, async (call) => {
    await act(call).then(resolve, reject);
    return 'go on';
  });
  stage.interposer.meddler = strikes;
  await stage.begin([clone]);
  await promise;
}

const handsOver =
  'PATCH persistentvolumes +clonegate.io/owner-uid +clonegate.io/reclaim-policy claimRef persistentVolumeReclaimPolicy';
const after = { words: handsOver, moment: 'after' } as const;
const nameIn = ({ path }: Call): string => path.split('/').at(-1) ?? '';
const pathOf = (volume: string): string => `/api/v1/persistentvolumes/${volume}`;

async function policyOf(volume: string): Promise<string | undefined> {
  const { spec } = await stage.cluster.api.get<PersistentVolume>(pathOf(volume));
  return spec?.persistentVolumeReclaimPolicy;
}

async function setPolicy(volume: string, policy: 'Retain' | 'Delete'): Promise<void> {
  const patch = JSON.stringify({ spec: { persistentVolumeReclaimPolicy: policy } });
  await stage.home.kubectl('patch', 'persistentvolume', volume, '-p', patch);
}

describe('a volume that is handed over', () => {
  test('cannot be grabbed by a claim that names it', async () => {
    const clone = await planOne();
    const thief = await stage.addPlace('thief');

    await interrupt(clone, after, async (call) => thief.createClaim('loot', { volumeName: nameIn(call) }));

    expect(await endOf(stage, [clone])).toEqual(well);
    expect((await thief.claim('loot')).status?.phase).toBe('Pending');
  });

  test('survives the deletion of the target claim, and becomes the volume of the next', async () => {
    const clone = await planOne();
    let [first, volume]: (string | undefined)[] = [];

    await interrupt(clone, after, async (call) => {
      volume = nameIn(call);
      first = await stage.home.removeClaim(clone.name);
      expect(await policyOf(volume)).toBe('Retain');
    });
    await until('another claim', async () => (await stage.home.claim(clone.name)).metadata.uid !== first);

    expect(await endOf(stage, [clone])).toEqual(well);
    expect((await stage.home.claim(clone.name)).spec?.volumeName).toBe(volume);
  });

  test('survives the deletion of the whole namespace of the source', async () => {
    const { clone, place } = await planFrom('gone');

    await interrupt(clone, after, async () => {
      await place.kubectl('delete', 'namespace', place.namespace, '--wait=false');
    });

    expect(await endOf(stage, [clone])).toEqual(well);
  });

  test('is kept afterwards where it was to be kept before, even if that was only just decided', async () => {
    const clone = await planOne();
    let volume = '';

    await interrupt(clone, { words: handsOver, moment: 'before' }, async (call) => {
      volume = nameIn(call);
      await setPolicy(volume, 'Retain');
    });
    await stage.home.reaches(clone.name, 'Succeeded');

    expect(await policyOf(volume)).toBe('Retain');
    await setPolicy(volume, 'Delete');
    expect(await endOf(stage, [clone])).toEqual(well);
  });
});

test('a clone whose source is gone with its namespace, in the middle of the work, is deleted all the same', async () => {
  const { clone, place } = await planFrom('nowhere');
  await driver.set('CreateVolume', { mode: 'always', code: 'UNAVAILABLE', source: 'any' });
  await stage.begin([clone]);
  await stage.home.reaches(clone.name, 'CSICloneInProgress');

  await place.kubectl('delete', 'namespace', place.namespace, '--timeout=240s');
  await stage.home.reaches(clone.name, 'Pending', 'CloneWithoutSource');
  await stage.remove(clone);
  await driver.dispose();

  expect(await leftoversOf(stage)).toEqual([]);
});

test("somebody else's claim under the name of ours is told and left alone", async () => {
  const clone = await planOne();
  let name = '';

  await interrupt(clone, { words: 'PATCH datavolumes held', moment: 'after' }, async () => {
    name = temporaryName((await stage.home.volume(clone.name)).metadata.uid ?? '');
    await stage.abroad.createClaim(name, {});
    await stage.abroad.fileOf(name);
  });

  await stage.home.reaches(clone.name, 'Pending', 'ErrResourceExists');
  const { labels, deletionTimestamp, ownerReferences } = (await stage.abroad.claim(name)).metadata;
  expect([labels, deletionTimestamp, ownerReferences]).toEqual([undefined, undefined, undefined]);
  await stage.abroad.removeClaim(name);

  expect(await endOf(stage, [clone])).toEqual(well);
});
