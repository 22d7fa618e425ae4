import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { annotations } from '../../../../shared/api/names.ts';
import type { FaultControl } from '../../../support/csi/control.ts';
import { type Shape, shapes } from './shapes.ts';
import { type Clone, patient, Stage } from './stage.ts';
import { endOf, well } from './verdict.ts';

/** A driver that fails: once, for good, or only by taking its time. */

let stage: Stage;
let driver: FaultControl;

beforeAll(async () => {
  stage = await Stage.open('storage');
  driver = stage.cluster.faults('reflink');
  await stage.startController([...patient, '--stall-after=4s']);
});
afterEach(async () => {
  await driver.dispose();
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
});
