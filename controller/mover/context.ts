import type { Clock } from '../../shared/process/clock.ts';
import type { Logger } from '../../shared/process/log.ts';
import type { Paths } from './paths.ts';
import type { Meter } from './progress.ts';
import type { Tools } from './tools.ts';

/** What a copy works with. */
export interface Context {
  readonly paths: Paths;
  readonly tools: Tools;
  readonly meter: Meter;
  readonly clock: Clock;
  readonly log: Logger;
  /** Aborted, with a CopyError, when the copy is to end. */
  readonly signal: AbortSignal;
  /** User that this runs as. */
  readonly user: number;
}

/** What a copy that went well tells. */
export interface Copied {
  readonly bytes: bigint;
  readonly digest?: string;
}
