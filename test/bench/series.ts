import { cloner, type Mode, stranger } from './stage.ts';

/** What is measured against what. */

/** One kind of request by one user in one namespace. */
export interface Series {
  readonly key: 'none' | 'bare' | 'clonegate' | 'review' | 'denied' | 'label-none' | 'label-clonegate';
  readonly mode: Mode;
  readonly user: typeof cloner | typeof stranger | 'admin';
  readonly does: 'create' | 'label' | 'review';
  /** The status that every answer has to have. */
  readonly expects: number;
  readonly inFlight: readonly InFlight[];
  /** The series that the ratios refer to. */
  readonly base: 'none' | 'label-none';
}

export const inFlights = [1, 32, 128] as const;
export type InFlight = (typeof inFlights)[number];

const create = { does: 'create', base: 'none' } as const;
const allowed = { ...create, user: cloner, expects: 201, inFlight: [1, 32, 128] } as const;
const label = { does: 'label', user: cloner, expects: 200, inFlight: [1, 32], base: 'label-none' } as const;

export const allSeries: readonly Series[] = [
  { key: 'none', mode: 'none', ...allowed },
  { key: 'bare', mode: 'bare', ...allowed },
  { key: 'clonegate', mode: 'clonegate', ...allowed },
  // What Clonegate cannot do without; the yardstick of what it may take beside the bare webhook.
  { key: 'review', mode: 'none', does: 'review', base: 'none', user: 'admin', expects: 201, inFlight: [1, 32, 128] },
  { key: 'denied', mode: 'clonegate', ...create, user: stranger, expects: 403, inFlight: [1, 32] },
  { key: 'label-none', mode: 'none', ...label },
  { key: 'label-clonegate', mode: 'clonegate', ...label },
];
