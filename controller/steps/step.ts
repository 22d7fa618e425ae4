import type { Phase } from '../../shared/api/datavolume.ts';
import type { ObjectReference } from '../../shared/api/objects.ts';
import type { ReasonCode } from '../../shared/api/reasons.ts';
import type { Copied } from '../copy/record.ts';
import type { Effect } from '../effects.ts';
import type { Observed } from '../observed.ts';

/** A step is data: when it is done, what it waits for, what it writes. It knows nothing of the other steps. */
export interface Step {
  readonly name: string;
  readonly done: (o: Observed) => boolean;
  /** Asked only of a step that is not done. */
  readonly waits: (o: Observed) => Wait | undefined;
  /** Asked only of a step that is neither done nor waiting. */
  readonly effects: (o: Observed) => readonly Effect[];
  /** The user's right is asked for again before the effects are carried out. */
  readonly guarded?: true;
  /** What is told once the effects are written; asked only when there are some. */
  readonly tells?: (o: Observed) => Happening | undefined;
}

/** Something that is worth a word beside what the status says. */
export type Happening =
  | { readonly what: 'copied'; readonly copied: Copied }
  /** Two pods do what no node lets one do. */
  | { readonly what: 'copy-parted'; readonly why: string }
  | { readonly what: 'copy-failed'; readonly reason: ReasonCode; readonly message: string };

/** Why a clone does not go on, as its owner gets to see it. */
export interface Wait {
  readonly phase: Phase;
  readonly reason: ReasonCode;
  readonly message: string;
  readonly type: 'Normal' | 'Warning';
  /** Milliseconds after which to look again; only where no watch tells that the wait is over. */
  readonly again?: number;
  /** Look again with growing pauses: what failed may succeed a little later. */
  readonly retry?: true;
  /** What is waited for. When that takes too long, it is named and its last event is quoted. */
  readonly on?: ObjectReference;
  /** Over in a moment, as a rule: told only when it lasts, for each telling is a write. */
  readonly brief?: true;
  /** The storage is at work on it. When it fails at that for good, the next strategy is tried. */
  readonly atWork?: true;
  /** The strategy has failed for good, and why: the next one is tried, if there is one. */
  readonly failure?: string;
  /** A pod copies, and tells how far it is; whether it reads the copy again at the end. */
  readonly copying?: 'plain' | 'verified';
}

export function waitFor(phase: Phase, reason: ReasonCode, message: string, more: Partial<Wait> = {}): Wait {
  return { phase, reason, message, type: 'Warning', ...more };
}

/** A step that writes nothing: it is done as soon as nothing holds the clone up. */
export function gate(name: string, waits: (o: Observed) => Wait | undefined): Step {
  return { name, waits, done: (o) => waits(o) === undefined, effects: () => [] };
}
