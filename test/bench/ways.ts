import type { Strategy } from '../../shared/api/names.ts';

/** What the benchmark of the execution makes: clones of ours, and what one would make by hand with the same storage. */

export interface Way {
  readonly key: string;
  /** For the tables. */
  readonly name: string;
  readonly strategy: Strategy;
  /** Into another namespace than the source's, which nobody can do by hand. */
  readonly elsewhere: boolean;
  /** By hand: a claim with the source claim as its dataSource, or a VolumeSnapshot and a claim that restores it. */
  readonly byHand: boolean;
  /** Key of the way that the ratios refer to. */
  readonly base: string;
  /** The most writes per clone, of the design; undefined where it names none. */
  readonly budget?: number;
}

const ours = { byHand: false } as const;
const byHand = { byHand: true, elsewhere: false } as const;

export const ways: readonly Way[] = [
  { key: 'csi-hand', name: 'claim with dataSource, by hand', strategy: 'csi-clone', ...byHand, base: 'csi-hand' },
  { key: 'csi', name: 'csi-clone', strategy: 'csi-clone', elsewhere: false, ...ours, base: 'csi-hand', budget: 5 },
  {
    key: 'csi-other',
    name: 'csi-clone, other namespace',
    strategy: 'csi-clone',
    elsewhere: true,
    ...ours,
    base: 'csi-hand',
    budget: 12,
  },
  { key: 'snap-hand', name: 'snapshot and restore, by hand', strategy: 'snapshot', ...byHand, base: 'snap-hand' },
  { key: 'snap', name: 'snapshot', strategy: 'snapshot', elsewhere: false, ...ours, base: 'snap-hand' },
  {
    key: 'snap-other',
    name: 'snapshot, other namespace',
    strategy: 'snapshot',
    elsewhere: true,
    ...ours,
    base: 'snap-hand',
  },
];

/** One way with so many at once, in one round. */
export interface Cell {
  readonly way: Way;
  readonly count: number;
  readonly round: number;
  /** Milliseconds from the first create until each was there. */
  readonly took: readonly number[];
  /** Milliseconds; the controller's are 0 for what is made by hand. */
  readonly cpu: { readonly controller: number; readonly apiServer: number };
  /** The controller's requests to the API server until everything was released, by kind. */
  readonly requests: { readonly writes: number; readonly events: number; readonly reads: number };
  readonly snapshots: number;
  /** What is wrong with it. */
  readonly wrong: readonly string[];
}
