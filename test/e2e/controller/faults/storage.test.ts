import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { annotations } from '../../../../shared/api/names.ts';
import type { PersistentVolume } from '../../../../shared/api/objects.ts';
import { until } from '../../../support/cluster/index.ts';
import type { FaultControl } from '../../../support/csi/control.ts';
import { Tenant } from '../tenant.ts';
import type { Call } from './interposer.ts';
import { type Shape, shapes } from './shapes.ts';
import { type Clone, patient, Stage } from './stage.ts';
import { Strikes } from './strikes.ts';
import { endOf, leftoversOf, told, well } from './verdict.ts';

/** A driver that fails, and people who lay hands on what a clone is made of. */

let stage: Stage;
let driver: FaultControl;

beforeAll(async () => {
  stage = await Stage.open('storage');
  driver = stage.cluster.faults('reflink');
  await stage.startController([...patient, '--stall-after=4s']);
});
afterEach(async () => {
  await driver.dispose();
  stage.interposer.meddler = {};
});
afterAll(async () => {
  await stage.close();
});

function shapeOf(name: string): Shape {
  const shape = shapes.find((one) => one.name === name);
  if (shape === undefined) throw new Error(`there is no shape ${name}`);
  return shape;
}

const planOf = async (...names: readonly string[]): Promise<readonly Clone[]> =>
  stage.plan(names.map((name) => ({ shape: shapeOf(name), ownSource: true })));

const eventsOf = async ({ name }: Clone, last: string) => stage.home.events(name, last);

describe('a driver', () => {
  test('that fails once, at everything it is asked, is asked again', async () => {
    const clones = await stage.plan(shapes.map((shape) => ({ shape, ownSource: true })));
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
    await driver.set('CreateVolume', { mode: 'delay', ms: 9000, source: 'any' });
    await driver.set('CreateSnapshot', { mode: 'delay', ms: 9000 });

    await stage.begin(clones);

    expect(await endOf(stage, clones)).toEqual(well);
    for (const clone of clones) {
      const reasons = (await eventsOf(clone, 'CloneSucceeded')).map(({ reason }) => reason);
      expect(reasons).toContain('CloneStalled');
    }
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

  test('that will never do what there is no other way to do is quoted; and the clone is made should it do so after all', async () => {
    const clones = await planOf('csi-clone elsewhere', 'snapshot', 'restore grown late');
    const message = 'the array is read-only';
    await driver.set('CreateVolume', { mode: 'always', code: 'INVALID_ARGUMENT', message, source: 'any' });

    await stage.begin(clones);
    for (const { name } of clones) {
      const volume = await stage.home.reaches(name, 'Failed', 'CloneFailed');
      expect(told(volume)).toContain(message);
    }
    const [given, ...others] = clones;
    if (given === undefined) throw new Error('nothing was planned');
    await stage.remove(given);
    await driver.clear();

    expect(await endOf(stage, others)).toEqual(well);
  });
});

describe('a volume that is handed over', () => {
  /** Holds the controller up after the write that hands it over. */
  async function handOver(clone: Clone, act: (volume: string) => Promise<void>): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const strikes = new Strikes(stage.trail);
    const words =
      'PATCH persistentvolumes +clonegate.io/owner-uid +clonegate.io/reclaim-policy claimRef persistentVolumeReclaimPolicy';
    strikes.order(clone.name, { words, nth: 1, moment: 'after' }, async ({ path }: Call) => {
      const volume = path.split('/').at(-1) ?? '';
      await act(volume).then(() => resolve(volume), reject);
      return 'go on';
    });
    stage.interposer.meddler = strikes;
    await stage.begin([clone]);
    return promise;
  }
  const volumeOf = async (name: string): Promise<PersistentVolume> =>
    stage.cluster.api.get(`/api/v1/persistentvolumes/${name}`);

  async function planned(): Promise<Clone> {
    const [clone] = await planOf('csi-clone elsewhere');
    if (clone === undefined) throw new Error('nothing was planned');
    return clone;
  }

  test('cannot be grabbed by a claim that names it', async () => {
    const clone = await planned();
    const thief = await Tenant.create(stage.cluster, stage.keys, 'thief');

    await handOver(clone, async (volumeName) => thief.createClaim('loot', { volumeName }));

    expect(await endOf(stage, [clone])).toEqual(well);
    expect((await thief.claim('loot')).status?.phase).toBe('Pending');
  });

  test('survives the deletion of the target claim, and becomes the volume of the next', async () => {
    const clone = await planned();
    let first: string | undefined;

    const name = await handOver(clone, async (volume) => {
      first = (await stage.home.claim(clone.name)).metadata.uid;
      await stage.home.kubectl('delete', 'pvc', clone.name);
      expect((await volumeOf(volume)).spec?.persistentVolumeReclaimPolicy).toBe('Retain');
    });
    await until('another claim', async () => (await stage.home.claim(clone.name)).metadata.uid !== first);

    expect(await endOf(stage, [clone])).toEqual(well);
    expect((await stage.home.claim(clone.name)).spec?.volumeName).toBe(name);
  });

  test('survives the deletion of the whole namespace of the source', async () => {
    const gone = await Tenant.create(stage.cluster, stage.keys, 'gone');
    await stage.makeSource(gone, 'block');
    const made = await planned();
    const clone = { ...made, source: { ...made.source, namespace: gone.namespace, name: 'block' } };

    await handOver(clone, async () => void (await gone.kubectl('delete', 'namespace', gone.namespace, '--wait=false')));

    expect(await endOf(stage, [clone])).toEqual(well);
  });
});

test('a clone whose source is gone with its namespace, in the middle of the work, is deleted all the same', async () => {
  const gone = await Tenant.create(stage.cluster, stage.keys, 'nowhere');
  await stage.makeSource(gone, 'block');
  const [made] = await planOf('csi-clone elsewhere');
  if (made === undefined) throw new Error('nothing was planned');
  const clone = { ...made, source: { ...made.source, namespace: gone.namespace, name: 'block' } };
  await driver.set('CreateVolume', { mode: 'always', code: 'UNAVAILABLE', source: 'any' });
  await stage.begin([clone]);
  await stage.home.reaches(clone.name, 'CSICloneInProgress');

  await gone.kubectl('delete', 'namespace', gone.namespace, '--timeout=120s');
  await stage.remove(clone);
  await driver.dispose();

  expect(await leftoversOf(stage)).toEqual([]);
});

test("somebody else's claim under the name of ours is told and left alone", async () => {
  const [clone] = await planOf('csi-clone elsewhere');
  if (clone === undefined) throw new Error('nothing was planned');
  const strikes = new Strikes(stage.trail);
  let name = '';
  strikes.order(clone.name, { words: 'PATCH datavolumes held', nth: 1, moment: 'after' }, async () => {
    name = `clonegate-${(await stage.home.volume(clone.name)).metadata.uid ?? ''}`;
    await stage.abroad.createClaim(name, {});
    await stage.abroad.fileOf(name);
    return 'go on';
  });
  stage.interposer.meddler = strikes;
  await stage.begin([clone]);

  await stage.home.reaches(clone.name, 'Pending', 'ErrResourceExists');
  const { metadata } = await stage.abroad.claim(name);
  expect([metadata.labels, metadata.deletionTimestamp, metadata.ownerReferences]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  await stage.abroad.kubectl('delete', 'pvc', name);

  expect(await endOf(stage, [clone])).toEqual(well);
});
