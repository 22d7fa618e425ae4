import { describe, expect, test } from 'vitest';
import { type Kind, kinds, Simulation } from '../../../support/simulation/index.ts';
import { finished, madeAgain, type Pace, rowsOf, simulate } from './disturbed.ts';

describe('a copy that fails', () => {
  const copies = rowsOf(
    kinds.filter(({ strategy, mode, larger }) => strategy === 'copy' && mode === 'Block' && !larger),
  );

  const trees = rowsOf(
    kinds.flatMap((kind): Kind[] => {
      const { strategy, mode, larger } = kind;
      return strategy === 'copy' && mode === 'Filesystem' && !larger ? [{ ...kind, tree: true }] : [];
    }),
  );

  /** Two tries come to nothing, and the third is whole. */
  async function failing(kind: Kind, pace: Pace): Promise<Simulation> {
    const simulation = await simulate(kind, pace);
    simulation.storage.copyFailures = 2;
    if (kind.tree === true) simulation.storage.copyFailure = { reason: 'CopyToolFailed', message: 'rsync was killed' };
    return simulation;
  }

  test.each(trees)(
    '$name, of a tree: goes on in its volume once, and on a new one when that fails too',
    async ({ kind }) => {
      const simulation = await failing(kind, { slow: true });

      await simulation.settle();

      expect(simulation.outcome()).toMatchObject(finished(kind));
      expect(simulation.volume?.status).toMatchObject({ restartCount: 2 });
      const blank = simulation.writes.filter((write) => /^create persistentvolumeclaims \w+\/clonegate$/.test(write));
      expect(blank).toHaveLength(2);
    },
  );

  test.each(copies)('$name: is begun anew, on a new volume each time, and comes to its end', async ({ kind }) => {
    const simulation = await failing(kind, { slow: true });

    await simulation.settle();

    expect(simulation.outcome()).toMatchObject(finished(kind));
    expect(simulation.volume?.status).toMatchObject({ restartCount: 2 });
    const blank = simulation.writes.filter((write) => /^create persistentvolumeclaims \w+\/clonegate$/.test(write));
    expect(blank).toHaveLength(3);
  });

  test.each([...copies, ...trees])(
    '$name: is counted once and no more, whenever its controller is killed',
    async ({ kind }) => {
      const undisturbed = await failing(kind, { slow: false });
      await undisturbed.settle();
      const count = undisturbed.writes.length;
      for (const when of ['before', 'after'] as const) {
        for (let nth = 1; nth <= count; nth += 1) {
          const simulation = await failing(kind, { slow: false });
          simulation.onWrite = (at, moment) => {
            if (at === nth && moment === when) Simulation.death();
          };

          await simulation.settle();

          expect(simulation.outcome(), `${when} write ${nth}`).toMatchObject(finished(kind));
          expect(simulation.volume?.status, `${when} write ${nth}`).toMatchObject({ restartCount: 2 });
          expect(simulation.writes.length, `${when} write ${nth}`).toBeLessThanOrEqual(count + madeAgain(kind));
        }
      }
      expect(count).toBeGreaterThan(15);
    },
  );

  // A first consumer in the simulation never rests.
  test.each(copies.filter(({ kind }) => !kind.late))(
    '$name: more often than it may, leaves nothing but a target claim without a volume',
    async ({ kind }) => {
      const simulation = await simulate(kind, { slow: false });
      simulation.storage.copyFailures = 99;

      await simulation.settle();

      expect(simulation.volume?.status).toMatchObject({
        phase: 'Failed',
        restartCount: 4,
        conditions: expect.arrayContaining([expect.objectContaining({ type: 'Running', reason: 'CopyIOError' })]),
      });
      const { target, pods, volumes } = simulation.outcome();
      expect(target?.content).toBeUndefined();
      expect(pods).toEqual([]);
      expect(volumes.map(({ content }) => content)).not.toContain('half of it');
    },
  );
});
