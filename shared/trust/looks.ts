import type { Clock } from '../process/clock.ts';

/** Looks at something that others replace: at a steady pace by somebody, and at once by whoever must not be behind. */
export interface Looks {
  /** Always looks. @throws what reading throws. */
  readonly look: () => Promise<void>;
  /** Looks as well, unless a look was begun a moment ago; then that one counts, also when it failed. */
  readonly renew: () => Promise<void>;
}

export interface LooksOptions<T> {
  readonly read: () => Promise<T>;
  /** Given what was read, never after what was read by a later look. */
  readonly take: (found: T) => void;
  readonly clock: Pick<Clock, 'now' | 'elapsed'>;
}

/** Milliseconds. Many who ask at the same time are answered by one look. */
const moment = 1000;

interface Look {
  readonly number: number;
  /** When it was begun, by both clocks: the steady one may stand still while the machine sleeps. */
  readonly elapsed: number;
  readonly now: number;
  readonly done: Promise<void>;
}

export function createLooks<T>({ read, take, clock }: LooksOptions<T>): Looks {
  let latest: Look | undefined;
  let taken = 0;
  const once = async (number: number): Promise<void> => {
    const found = await read();
    if (number < taken) return;
    taken = number;
    take(found);
  };
  const look = async (): Promise<void> => {
    const number = (latest?.number ?? 0) + 1;
    const done = once(number);
    latest = { number, elapsed: clock.elapsed(), now: clock.now(), done };
    await done;
  };
  const isRecent = (elapsed: number, now: number): boolean =>
    clock.elapsed() - elapsed < moment && Math.abs(clock.now() - now) < moment;
  return {
    look,
    renew: async () => {
      if (latest !== undefined && isRecent(latest.elapsed, latest.now)) await latest.done;
      else await look();
    },
  };
}
