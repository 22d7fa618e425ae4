import type { Fallback } from '../shared/decision/fallback.ts';
import type { Effect } from './effects.ts';
import type { Happening, Wait } from './steps/step.ts';

/** What is to be done about one DataVolume now. */
export type Plan =
  /** Not ours to look after. */
  | { readonly state: 'ignored' }
  | {
      readonly state: 'waiting';
      readonly step: string;
      readonly wait: Wait;
      /** The wait has lasted too long; what is to be told of that. */
      readonly stalled?: string;
      /** Of a pod that copies: how far it is, in percent, as CDI writes it. */
      readonly progress?: string;
    }
  /** The step may begin when the user still has the right: ask, and plan again with the answer. */
  | { readonly state: 'asking'; readonly step: string }
  | {
      readonly state: 'acting';
      readonly step: string;
      readonly effects: readonly Effect[];
      /** They leave the strategy for another one, which is told once they are written. */
      readonly fallback?: Fallback;
      /** What else is told then. */
      readonly happening?: Happening;
    }
  /** The clone is complete; what is left to write once the status says so. */
  | {
      readonly state: 'done';
      readonly effects: readonly Effect[];
      /** Nothing was cloned: the claim was there, with its content. */
      readonly adopted?: true;
    };
