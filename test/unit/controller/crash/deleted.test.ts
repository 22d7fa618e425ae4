import { describe, expect, test } from 'vitest';
import { type Kind, kinds, Simulation } from '../../../support/simulation/index.ts';
import {
  deleted,
  distinct,
  finished,
  longest,
  type Pace,
  rowsOf,
  simulate,
  sourceVolume,
  volumesFor,
  writesOf,
} from './disturbed.ts';

/** @returns how many were deleted. */
async function deleteAfterEachWrite(kind: Kind, pace: Pace): Promise<number> {
  const count = await writesOf(kind, pace);
  for (let nth = 1; nth <= count; nth += 1) {
    const simulation = await simulate(kind, pace);
    simulation.onWrite = async (at, moment) => {
      if (at === nth && moment === 'after') await simulation.deleteVolume();
    };

    await simulation.settle();

    expect(simulation.outcome(), `after write ${nth}`).toMatchObject(deleted);
  }
  return count;
}

describe('a DataVolume that is deleted', () => {
  test.each(distinct)('$name: after any write, takes everything along but its source', async ({ kind }) => {
    expect(await deleteAfterEachWrite(kind, { slow: false })).toBeGreaterThanOrEqual(4);
  });

  test.each(longest)('$name: after any write, with storage that takes its time', async ({ kind }) => {
    expect(await deleteAfterEachWrite(kind, { slow: true })).toBeGreaterThanOrEqual(4);
  });
});

describe('a volume that has been handed over', () => {
  const elsewhere = rowsOf(kinds.filter((kind) => kind.elsewhere && (kind.larger || kind.mode === 'Filesystem')));
  const handedOver = (write: string | undefined): boolean => write?.startsWith('patch persistentvolumes for') === true;

  test.each(elsewhere)('$name: is not lost with any claim, nor with the source', async ({ kind }) => {
    const simulation = await Simulation.of(kind);
    simulation.slow = true;
    let struck = false;
    simulation.onWrite = async (nth, when) => {
      if (struck || when === 'before' || !handedOver(simulation.writes[nth - 1])) return;
      struck = true;
      simulation.remove(simulation.targetClaim);
      simulation.remove(simulation.temporaryClaim);
      simulation.removeSource();
      await simulation.storage.programs.binder();
    };

    await simulation.settle();

    expect(simulation.storage.made).toHaveLength(volumesFor(kind));
    expect(simulation.outcome()).toMatchObject({ ...finished(kind), claims: ['target'], volumes: [sourceVolume] });
  });
});
