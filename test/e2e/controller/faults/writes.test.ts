import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../../../support/cluster/index.ts';
import { type Shape, shapes } from './shapes.ts';
import { type Clone, patient, Stage } from './stage.ts';
import { type Act, moments, type Point, pointsOf, Strikes } from './strikes.ts';
import { isComplete, leftoversOf, problemsOf, told } from './verdict.ts';

/**
 * Whatever happens at whatever write of whatever clone: the clone ends right, its bytes are those of the source, the source is
 * untouched, and nothing is left over. The writes are not listed here: an interposer before the API server sees them, and every one that
 * a clone makes which nobody disturbs is disturbed in another.
 */

let stage: Stage;
/** Writes of each shape, in order. */
const writesOf = new Map<Shape, readonly string[]>();

beforeAll(async () => {
  stage = await Stage.open('faults');
  // Slow enough for the status to say what the storage is doing, so that all clones of a shape make the same writes.
  const faults = stage.cluster.faults('reflink');
  await faults.set('CreateVolume', { mode: 'delay', ms: 500, source: 'any' });
  await faults.set('CreateSnapshot', { mode: 'delay', ms: 500 });
  await stage.startController(patient);
});
afterAll(async () => {
  await stage.close();
});

interface Case {
  readonly shape: Shape;
  readonly point: Point;
}

const everyPoint = (of: readonly Point['moment'][]): readonly Case[] =>
  [...writesOf].flatMap(([shape, writes]) => pointsOf(writes, of).map((point) => ({ shape, point })));

const nameOf = ({ shape, point }: Case): string => `${shape.name}, ${point.moment} ${point.words} (${point.nth})`;

/** What was ordered for each clone, and which of the cases never came to their point: a status may have been passed by too quickly. */
interface Struck {
  readonly strikes: Strikes;
  readonly clones: readonly Clone[];
  readonly missed: readonly Case[];
}

/** Milliseconds. Hundreds of clones, on a machine that may have much else to do. */
const long = 1_800_000;

/** Clones that are under way at the same time. More of them get into each other's way, and none is done sooner. */
const crowd = 48;

/**
 * All cases, some at a time; those whose point did not come once more, and once more again: a status is passed by when the storage is quick.
 * @returns what still did not come, apart from such a status.
 */
async function inRounds(
  cases: readonly Case[],
  carryOut: (some: readonly Case[]) => Promise<readonly Case[]>,
): Promise<readonly string[]> {
  let left = cases;
  for (let round = 1; round <= 3; round += 1) {
    const missed: Case[] = [];
    for (let at = 0; at < left.length; at += crowd) missed.push(...(await carryOut(left.slice(at, at + crowd))));
    left = missed;
  }
  return left.filter(({ point }) => !isPassing(point)).map(nameOf);
}

const isPassing = ({ words }: Point): boolean => /^PATCH datavolumes\/status (?!Succeeded)/.test(words);

/** Snapshots of one source may be shared between clones, and then not every clone makes every write. */
const isAlone = ({ strategy, from }: Shape): boolean => strategy === 'snapshot' && from === 'PersistentVolumeClaim';

/** Begins a clone for each case and does something at its point. @returns when every point has come or its clone is complete without. */
async function strikeAt(
  cases: readonly Case[],
  ownSource: (shape: Shape) => boolean,
  act: (clone: Clone) => Act,
): Promise<Struck> {
  const strikes = new Strikes(stage.trail);
  const clones = await stage.plan(cases.map(({ shape }) => ({ shape, ownSource: ownSource(shape) })));
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
    { timeout: 300_000, interval: 500 },
  );
  const missed = cases.filter((_, index) => clones[index] !== undefined && isCalm(clones[index]));
  return { strikes, clones, missed };
}

test('a clone that nobody disturbs is complete, and its writes are known', async () => {
  const strikes = new Strikes(stage.trail);
  stage.interposer.meddler = strikes;
  const clones = await stage.plan(shapes.map((shape) => ({ shape, ownSource: true })));
  await stage.begin(clones);

  expect(await problemsOf(stage, clones)).toEqual([]);
  expect(await leftoversOf(stage)).toEqual([]);
  for (const { name, shape } of clones) writesOf.set(shape, strikes.writesOf(name));
  for (const [{ elsewhere }, writes] of writesOf) {
    expect(writes.length).toBeGreaterThanOrEqual(5);
    expect(writes.length).toBeLessThanOrEqual(elsewhere ? 20 : 13);
  }
});

test(
  'killed before and after every write, the controller finishes every clone when it is back, and makes nothing twice',
  async () => {
    const missed = await inRounds(everyPoint(moments), async (cases) => {
      const { strikes, clones, missed } = await strikeAt(cases, isAlone, () => async () => 'cut');
      await stage.controller.process.kill();
      strikes.heal();
      await stage.revive();

      expect(await problemsOf(stage, clones)).toEqual([]);
      const made = (writes: readonly string[] = []) => writes.filter((words) => words.startsWith('POST')).toSorted();
      for (const { name, shape } of clones) expect(made(strikes.writesOf(name))).toEqual(made(writesOf.get(shape)));
      return missed;
    });

    expect(missed).toEqual([]);
    expect(await leftoversOf(stage)).toEqual([]);
  },
  long,
);
