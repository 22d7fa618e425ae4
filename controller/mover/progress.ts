import type { CopyProgress } from '../../shared/api/copy.ts';
import type { Clock } from '../../shared/process/clock.ts';

/** How far a copy is, told at most once a second. */

export interface Meter {
  /** @returns to be told how many of the bytes are gone over, however often; what goes back is not heard. */
  begin(step: CopyProgress['step'], total: bigint): (done: bigint) => void;
}

/** Milliseconds between two lines at least. */
const interval = 1000;
/** Lines over which the rate is told: a shorter time jumps with each cache that fills, a longer one tells of what is over. */
const window = 10;

interface Sample {
  readonly at: number;
  readonly done: bigint;
}

export function createMeter(clock: Pick<Clock, 'elapsed'>, tell: (progress: CopyProgress) => void): Meter {
  let last = Number.NEGATIVE_INFINITY;
  return {
    begin: (step, total) => {
      let samples: readonly Sample[] = [{ at: clock.elapsed(), done: 0n }];
      return (told) => {
        const at = clock.elapsed();
        if (at - last < interval) return;
        last = at;
        const before = samples.at(-1)?.done ?? 0n;
        const done = told < before ? before : told > total ? total : told;
        samples = [...samples, { at, done }].slice(-window);
        tell({ copy: 'progress', step, done: String(done), total: String(total), ...speedOf(samples, total) });
      };
    },
  };
}

function speedOf(samples: readonly Sample[], total: bigint): Pick<CopyProgress, 'rate' | 'remaining'> {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return { rate: 0 };
  const perSecond = (Number(last.done - first.done) * 1000) / (last.at - first.at);
  const rate = Math.round(perSecond);
  return rate === 0 ? { rate } : { rate, remaining: Math.ceil(Number(total - last.done) / perSecond) };
}
