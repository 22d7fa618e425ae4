/** A number of places that are taken in turn: who comes when all are taken waits for the next that is free, first come, first served. */
export interface Slots {
  /** Resolves when a place is free, with the function that frees it again; that may be called more than once. */
  take(): Promise<() => void>;
  /** Places that are taken now. */
  readonly taken: number;
}

export function createSlots(most: number): Slots {
  const waiting: (() => void)[] = [];
  let taken = 0;
  const free = (): void => {
    const next = waiting.shift();
    // The place goes from hand to hand, so nobody who comes in between can take it.
    if (next === undefined) taken -= 1;
    else next();
  };
  return {
    get taken() {
      return taken;
    },
    take: async () => {
      if (taken < most) taken += 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      let held = true;
      return () => {
        if (held) free();
        held = false;
      };
    },
  };
}
