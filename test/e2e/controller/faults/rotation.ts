import type { Call, Fate, Meddler } from './interposer.ts';

/**
 * Lets every call fail three times, each time otherwise, before it is carried out: a write each time anew, what else there is (lists,
 * watches, events, the lease) the first three times only, as it has no end.
 */
export class Rotation implements Meddler {
  readonly #tries = new Map<string, number>();
  readonly #passed = new Map<string, number>();

  /** `VERB path` of the calls that got through, with the faults that each had met by then. */
  get passed(): ReadonlyMap<string, number> {
    return this.#passed;
  }

  readonly before = ({ method, path, isWatch, isWrite }: Call): Fate => {
    const name = `${isWatch ? 'WATCH' : method} ${path}`;
    const tries = this.#tries.get(name) ?? 0;
    this.#tries.set(name, tries + 1);
    const turn = isWrite ? tries % turns.length : tries;
    const fate = turns[turn] ?? 'pass';
    if (fate === 'pass') this.#passed.set(name, tries);
    return fate;
  };
}

const turns = [409, 429, 500, 'pass'] as const;
