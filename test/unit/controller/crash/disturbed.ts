import { bytes, type Kind, kinds, nameOfKind, Simulation } from '../../../support/simulation/index.ts';

/**
 * What the tests of interruptions have in common: whatever is interrupted wherever it may be, in the end it is as if nothing had happened. The
 * writes are counted, not listed.
 */

export const rowsOf = (some: readonly Kind[]) => some.map((kind) => ({ kind, name: nameOfKind(kind) }));
export const all = rowsOf(kinds);
/** Only what grows differs by what is in it. */
export const distinct = rowsOf(kinds.filter(({ larger, mode }) => larger || mode === 'Filesystem'));
/** One of each way with all that can happen on it. */
export const longest = rowsOf(kinds.filter(({ larger, mode, late }) => larger && mode === 'Filesystem' && late));

export const sourceVolume = { policy: 'Delete', noted: undefined, content: bytes };
const nothing = { snapshots: [], pods: [], means: [], markedVolumes: [] };

export function finished({ larger }: Kind) {
  return {
    ...nothing,
    phase: 'Succeeded',
    finalizers: [],
    target: { phase: 'Bound', capacity: { storage: larger ? '2Gi' : '1Gi' }, content: bytes },
    claims: ['source', 'target'],
    volumes: [sourceVolume, sourceVolume],
  };
}

/** Each made once: what is copied of a snapshot is restored before. */
export function volumesFor({ strategy, from }: Kind): number {
  return strategy === 'copy' && from === 'VolumeSnapshot' ? 2 : 1;
}

/**
 * Writes that are made again when one was lost: that one, or that by which it is found out that it was not. What two pods need is never looked
 * at, and so is made from the beginning.
 */
export function madeAgain({ apart }: Kind): number {
  return apart ? 4 : 1;
}

export const deleted = { ...nothing, phase: undefined, target: undefined, claims: ['source'], volumes: [sourceVolume] };

export interface Pace {
  readonly slow: boolean;
}

export async function simulate(kind: Kind, { slow }: Pace): Promise<Simulation> {
  const simulation = await Simulation.of(kind);
  simulation.slow = slow;
  return simulation;
}

/** How many writes a clone takes that nobody disturbs. */
export async function writesOf(kind: Kind, pace: Pace): Promise<number> {
  const simulation = await simulate(kind, pace);
  await simulation.settle();
  return simulation.writes.length;
}
