import type { Call, Fate, Meddler } from './interposer.ts';
import { type Trail, wordsOf } from './trail.ts';

/** A write of a clone, as the clone that nobody disturbed has made it, and which side of it. */
export interface Point {
  readonly words: string;
  /** Of writes in the same words, the how manieth; from 1. */
  readonly nth: number;
  readonly moment: 'before' | 'after';
}

export const moments = ['before', 'after'] as const;

/**
 * What is done at the point. `cut`: nothing that the controller sends for this clone arrives any more, nor does the answer to this write.
 */
export type Act = (call: Call) => Promise<'go on' | 'cut'>;

interface Order {
  readonly point: Point;
  readonly act: Act;
  struck: boolean;
}

/** Watches the writes of clones, counts those that were carried out, and does something at one of them. */
export class Strikes implements Meddler {
  readonly #trail: Trail;
  readonly #orders = new Map<string, Order>();
  readonly #writes = new Map<string, string[]>();
  readonly #cut = new Set<string>();

  constructor(trail: Trail) {
    this.#trail = trail;
  }

  order(clone: string, point: Point, act: Act): void {
    this.#orders.set(clone, { point, act, struck: false });
  }

  /** Ends what was ordered; the counting goes on. */
  heal(): void {
    this.#orders.clear();
    this.#cut.clear();
  }

  hasStruck(clone: string): boolean {
    return this.#orders.get(clone)?.struck === true;
  }

  /** What was carried out for a clone, in order. */
  writesOf(clone: string): readonly string[] {
    return this.#writes.get(clone) ?? [];
  }

  readonly before = async (call: Call): Promise<Fate> => {
    const clone = call.isWrite ? this.#trail.cloneOf(call) : undefined;
    if (clone === undefined) return 'pass';
    // As good as lost, and quicker: a connection that breaks is tried again and again.
    if (this.#cut.has(clone)) return 409;
    return this.#strike(clone, call, 'before');
  };

  readonly after = async (call: Call): Promise<Fate> => {
    const clone = call.isWrite ? this.#trail.cloneOf(call) : undefined;
    if (clone === undefined) return 'pass';
    this.#writes.set(clone, [...this.writesOf(clone), wordsOf(call)]);
    return this.#strike(clone, call, 'after');
  };

  async #strike(clone: string, call: Call, moment: Point['moment']): Promise<Fate> {
    const order = this.#orders.get(clone);
    const words = wordsOf(call);
    if (order === undefined || order.struck || order.point.moment !== moment || order.point.words !== words)
      return 'pass';
    const nth = this.writesOf(clone).filter((written) => written === words).length + (moment === 'before' ? 1 : 0);
    if (nth !== order.point.nth) return 'pass';
    order.struck = true;
    if ((await order.act(call)) === 'go on') return 'pass';
    this.#cut.add(clone);
    return 'lose';
  }
}

/** Every point of a clone whose writes are known. */
export function pointsOf(writes: readonly string[], of: readonly Point['moment'][]): readonly Point[] {
  return writes.flatMap((words, index) => {
    const nth = writes.slice(0, index + 1).filter((other) => other === words).length;
    return of.map((moment) => ({ words, nth, moment }));
  });
}

/** Those of a shape's points that another shape does not have as well. */
export function pointsBeyond(points: readonly Point[], others: readonly Point[]): readonly Point[] {
  return points.filter(
    ({ words, nth, moment }) =>
      !others.some((other) => other.words === words && other.nth === nth && other.moment === moment),
  );
}
