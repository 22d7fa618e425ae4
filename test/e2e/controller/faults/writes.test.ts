import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporaryName } from '../../../../controller/children.ts';
import type { DataVolume } from '../../../../shared/api/datavolume.ts';
import { until } from '../../../support/cluster/index.ts';
import { sharedCluster } from '../../../support/cluster/shared.ts';
import { type Shape, shapeOf, shapes } from './shapes.ts';
import { type Clone, type CloneRequest, patient, Stage } from './stage.ts';
import { type Act, moments, type Point, pointsBeyond, pointsOf, Strikes } from './strikes.ts';
import { isComplete, leftoversOf, problemsOf, told } from './verdict.ts';

/**
 * Whatever happens at whatever write of whatever clone: the clone ends right or is gone, its bytes are those of the source, the source is
 * untouched, and nothing is left over. The writes are not listed here: an interposer before the API server sees them, and every one that
 * a clone makes which nobody disturbs is disturbed in another.
 */

const cluster = sharedCluster();
const faults = cluster.faults('reflink');
let stage: Stage;
/** Writes of each shape, in order. */
const writesOf = new Map<string, readonly string[]>();

beforeAll(async () => {
  stage = await Stage.open(cluster);
  // Slow enough for the status to say what the storage is doing, so that all clones of a shape make the same writes.
  await faults.set('CreateVolume', { mode: 'delay', ms: 500, source: 'any' });
  await faults.set('CreateSnapshot', { mode: 'delay', ms: 500 });
  await stage.startController(patient);
});
afterAll(async () => {
  await faults.dispose();
  await stage?.close();
  await cluster.close();
});

interface Case {
  readonly shape: Shape;
  readonly point: Point;
}

const pointsIn = (name: string, of: readonly Point['moment'][]): readonly Point[] =>
  pointsOf(writesOf.get(name) ?? [], of);

/**
 * Every write of every strategy, in its namespace and into another. Those that grow and come late make many that others have made before
 * them, and so do those of a snapshot that is there: of them, what nobody before them had.
 */
function everyPoint(of: readonly Point['moment'][]): readonly Case[] {
  const cases: Case[] = [];
  for (const shape of shapes) {
    const isAlike = shape.full || shape.from === 'VolumeSnapshot';
    const known = cases.filter((other) => isAlike && other.shape.elsewhere === shape.elsewhere);
    const others = [...known.map(({ point }) => point), ...pointsIn(shape.plain ?? '', of)];
    for (const point of pointsBeyond(pointsIn(shape.name, of), others)) cases.push({ shape, point });
  }
  return cases;
}

/** For a source it matters what it is: those of a snapshot that is there once more, each. */
function everyPointOfSources(): readonly Case[] {
  const others = everyPoint(['after']).filter(({ shape }) => shape.full || shape.from !== 'VolumeSnapshot');
  const restored = shapes.filter(({ full, from }) => !full && from === 'VolumeSnapshot');
  return [
    ...others,
    ...restored.flatMap((shape) => pointsIn(shape.name, ['after']).map((point) => ({ shape, point }))),
  ];
}

const nameOf = ({ shape, point }: Case): string => `${shape.name}, ${point.moment} ${point.words} (${point.nth})`;

/** What was ordered for each clone, and which of the cases never came to their point: a status may have been passed by too quickly. */
interface Struck {
  readonly strikes: Strikes;
  readonly clones: readonly Clone[];
  readonly missed: readonly Case[];
}

/** Milliseconds. A hundred clones, three times, on a machine that may have much else to do. */
const long = 3_600_000;
const patience = { timeout: 600_000, interval: 1000 };

/**
 * All cases at the same time; those whose point did not come once more, and once more again what is no status: that is passed by when the
 * storage is quick. @returns what still did not come, apart from such a status.
 */
async function inRounds(
  cases: readonly Case[],
  carryOut: (some: readonly Case[]) => Promise<readonly Case[]>,
): Promise<readonly string[]> {
  let left = cases;
  for (let round = 1; round <= 3 && left.length > 0; round += 1) {
    const missed = await carryOut(left);
    left = round === 1 ? missed : missed.filter(({ point }) => !isPassing(point));
  }
  return left.map(nameOf);
}

const isPassing = ({ words }: Point): boolean => /^PATCH datavolumes\/status (?!Succeeded)/.test(words);

/** Begins a clone for each case and does something at its point. @returns when every point has come or its clone is complete without. */
async function strikeAt(
  cases: readonly Case[],
  how: Omit<CloneRequest, 'shape'>,
  act: (clone: Clone) => Act,
): Promise<Struck> {
  const strikes = new Strikes(stage.trail);
  const clones = await stage.plan(cases.map(({ shape }) => ({ shape, ...how })));
  for (const [index, { point }] of cases.entries()) {
    const clone = clones[index];
    if (clone !== undefined) strikes.order(clone.name, point, act(clone));
  }
  stage.interposer.meddler = strikes;
  await stage.begin(clones);
  const isCalm = ({ name }: Clone): boolean => !strikes.hasStruck(name);
  await until(
    'all points to come',
    async () => {
      const calm = clones.filter(isCalm);
      if (calm.length === 0) return true;
      const volumes = await stage.volumes(clones);
      const waiting = calm.filter(({ name }) => !isComplete(volumes.get(name)));
      if (waiting.length === 0) return true;
      throw new Error(waiting.map(({ name, shape }) => `${shape.name}: ${told(volumes.get(name))}`).join('\n'));
    },
    patience,
  );
  const missed = cases.filter((_, index) => clones[index] !== undefined && isCalm(clones[index]));
  return { strikes, clones, missed };
}

test('a clone that nobody disturbs is complete, and its writes are known', async () => {
  const strikes = new Strikes(stage.trail);
  stage.interposer.meddler = strikes;
  const clones = await stage.plan(shapes.map((shape) => ({ shape, alone: true })));
  await stage.begin(clones);

  expect(await problemsOf(stage, clones)).toEqual([]);
  expect(await leftoversOf(stage)).toEqual([]);
  for (const { name, shape } of clones) {
    const writes = strikes.writesOf(name);
    expect(writes.length).toBeGreaterThanOrEqual(5);
    expect(writes.length).toBeLessThanOrEqual(shape.elsewhere ? 20 : 13);
    writesOf.set(shape.name, writes);
  }
});

test.each(moments)(
  'killed %s every write, the controller finishes every clone when it is back, and makes nothing twice',
  async (moment) => {
    const missed = await inRounds(everyPoint([moment]), async (cases) => {
      const { strikes, clones, missed } = await strikeAt(cases, { alone: true }, () => async () => 'cut');
      await stage.controller.process.kill();
      strikes.heal();
      await stage.revive();

      expect(await problemsOf(stage, clones)).toEqual([]);
      const made = (writes: readonly string[] = []) => writes.filter((words) => words.startsWith('POST')).toSorted();
      for (const { name, shape } of clones)
        expect(made(strikes.writesOf(name))).toEqual(made(writesOf.get(shape.name)));
      return missed;
    });

    expect(missed).toEqual([]);
    expect(await leftoversOf(stage)).toEqual([]);
  },
  long,
);

test(
  'deleted after any write, a clone takes everything along but its source',
  async () => {
    const missed = await inRounds(everyPoint(['after']), async (cases) => {
      const { clones, missed } = await strikeAt(cases, { alone: true }, (clone) => async () => {
        await stage.remove(clone);
        return 'go on';
      });
      expect(clones.filter(({ name }) => !stage.clones.has(name))).toHaveLength(cases.length - missed.length);
      return missed;
    });

    expect(missed).toEqual([]);
    expect(await leftoversOf(stage)).toEqual([]);
  },
  long,
);

test(
  'a source that is deleted after any write is cloned all the same, or the clone says that it goes and holds it up no longer than it lives',
  async () => {
    const ends = { complete: 0, without: 0 };
    const missed = await inRounds(everyPointOfSources(), async (cases) => {
      const { clones, missed } = await strikeAt(cases, { ownSource: true }, (clone) => async () => {
        await stage.removeSource(clone);
        return 'go on';
      });
      const without = await sourceless(clones);
      const complete = clones.filter((clone) => !without.includes(clone));
      ends.complete += complete.length;
      ends.without += without.length;
      await Promise.all(without.map(async (clone) => stage.remove(clone)));

      expect(await problemsOf(stage, complete)).toEqual([]);
      return missed;
    });

    expect(missed).toEqual([]);
    expect(ends.complete).toBeGreaterThan(0);
    expect(ends.without).toBeGreaterThan(0);
    expect(await leftoversOf(stage)).toEqual([]);
  },
  long,
);

/** Waits until every clone is complete or says that its source is gone, or goes. @returns the latter. */
async function sourceless(clones: readonly Clone[]): Promise<readonly Clone[]> {
  return until(
    'every clone to be complete or to say why not',
    async () => {
      const volumes = await stage.volumes(clones);
      const without = clones.filter(({ name }) => saysWithout(volumes.get(name)));
      const open = clones.filter((clone) => !without.includes(clone) && !isComplete(volumes.get(clone.name)));
      if (open.length === 0) return without;
      throw new Error(open.map(({ name, shape }) => `${shape.name}: ${told(volumes.get(name))}`).join('\n'));
    },
    patience,
  );
}

function saysWithout(volume: DataVolume | undefined): boolean {
  const running = volume?.status?.conditions?.find(({ type }) => type === 'Running');
  return running?.reason === 'CloneWithoutSource' || running?.reason === 'SourceTerminating';
}

test(
  'whoever deletes the claim that is filled or the claim that is wanted, after any write, only costs time',
  async () => {
    const shape = shapeOf('csi-clone elsewhere');
    const cases = pointsIn(shape.name, ['after']).map((point) => ({ shape, point }));
    const victims = new Map<string, string>();
    for (const victim of ['temporary', 'target'] as const) {
      const { clones, missed } = await strikeAt(cases, {}, ({ name }) => async () => {
        const [tenant, claim] =
          victim === 'target'
            ? [stage.home, name]
            : [stage.abroad, temporaryName((await stage.home.volume(name)).metadata.uid ?? '')];
        const uid = await tenant.removeClaim(claim);
        if (uid !== undefined && victim === 'target') victims.set(name, uid);
        return 'go on';
      });
      expect(missed.filter(({ point }) => !isPassing(point)).map(nameOf)).toEqual([]);
      const isAnother = async (name: string, uid: string) => (await stage.home.claim(name)).metadata.uid !== uid;
      for (const [name, uid] of victims) await until(`another claim ${name}`, () => isAnother(name, uid));

      expect(await problemsOf(stage, clones)).toEqual([]);
    }
    // From the write that makes it to the last.
    expect(victims.size).toBeGreaterThanOrEqual(cases.length - 2);
    expect(await leftoversOf(stage)).toEqual([]);
  },
  long,
);
