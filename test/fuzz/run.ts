import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { generateStampKeys, loadSigner, loadVerifier } from '../../shared/trust/keys.ts';
import { FuzzCluster } from './cluster.ts';
import { fillLockbox } from './lockbox.ts';
import { type Finding, Oracle } from './oracle.ts';
import { play, type Stage, type Trial } from './play.ts';
import { type Scenario, scenario } from './scenario.ts';
import { createTarget, type Faults } from './target.ts';

/** Many trials in a row, counted; of each sort of failure the first is made as small as it gets. */

export interface FuzzOptions {
  readonly reviews: number;
  readonly seed: number;
  /** Broken parts, to see that they are found. */
  readonly faults?: Faults;
  /** Ends after so many failures; all are found when absent. */
  readonly enough?: number;
  /** Whether the failures are made as small as they get, which takes up to hundreds of trials for each; they are when absent. */
  readonly shrink?: boolean;
  /** Ends the run after the hundred reviews that it is at. */
  readonly signal?: AbortSignal;
  /** Told after every hundred reviews. */
  readonly progress?: (result: Progress) => void;
  /** Told of promises that are rejected without anybody listening; gives what ends that. */
  readonly rejections?: (heard: (reason: unknown) => void) => () => void;
}

export interface Progress {
  readonly reviews: number;
  readonly crashes: number;
  readonly unrightful: number;
}

export interface Failure {
  readonly findings: readonly Finding[];
  /** The smallest that still fails. */
  readonly scenario: Scenario;
  /** What {@link replay} finds it by. */
  readonly at: string;
  readonly trial: Trial;
}

export interface FuzzResult extends Progress {
  readonly seed: number;
  /** How many trials ended how: a webhook that refuses everything is not tested by being asked. */
  readonly endings: Readonly<Record<Trial['ending'], number>>;
  readonly failures: readonly Failure[];
  /** Bytes of heap that the trials left behind; more than {@link slack} counts as a crash. */
  readonly growth: number;
}

const chunk = 100;
const mostFailures = 5;
/** Trials before the heap is measured for the first time: caches and compiled code come with the first use. */
const warmUp = 2000;
/** Bytes. What is bounded (budgets, series of events) fills up; what is kept of each review makes 100 bytes a review at least. */
export const slack = 24 * 1024 * 1024;
/** Milliseconds of the events' time for each chunk: 20 s for a thousand reviews, as in a storm. */
const pace = 2000;

export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const run = new FuzzRun(options);
  const { rejections = hearRejections } = options;
  const stop = rejections((reason) => run.unhandled(reason));
  try {
    return await run.all();
  } finally {
    stop();
  }
}

function hearRejections(heard: (reason: unknown) => void): () => void {
  process.on('unhandledRejection', heard);
  return () => process.off('unhandledRejection', heard);
}

class FuzzRun {
  readonly #options: FuzzOptions;
  readonly #counts = { reviews: 0, crashes: 0, unrightful: 0 };
  readonly #endings = { 'admitted clone': 0, 'admitted other': 0, updated: 0, refused: 0 };
  readonly #failures = new Map<string, Failure>();
  #unhandled: unknown[] = [];

  constructor(options: FuzzOptions) {
    this.#options = options;
  }

  unhandled(reason: unknown): void {
    this.#unhandled.push(reason);
  }

  async all(): Promise<FuzzResult> {
    const { reviews, seed, progress } = this.#options;
    const stage = await setStage(this.#options.faults);
    let base: number | undefined;
    try {
      for (let chunkSeed = seed; this.#counts.reviews < reviews && !this.#isEnough(); chunkSeed += 1) {
        if (base === undefined && this.#counts.reviews >= Math.min(warmUp, reviews / 2)) base = heapUsed();
        await this.#chunk(stage, chunkSeed | 0, Math.min(chunk, reviews - this.#counts.reviews));
        for (const target of Object.values(stage.targets)) await target.pass(pace);
        progress?.(this.#counts);
      }
      const growth = base === undefined ? 0 : heapUsed() - base;
      if (growth > slack) this.#counts.crashes += 1;
      const failures = [...this.#failures.values()];
      return { ...this.#counts, seed, endings: this.#endings, failures, growth };
    } finally {
      await leaveStage(stage);
    }
  }

  async #chunk(stage: Stage, seed: number, numRuns: number): Promise<void> {
    for (const [index, one] of fc.sample(scenario, { seed, numRuns }).entries()) {
      const trial = await this.#play(stage, one);
      this.#counts.reviews += 1;
      this.#endings[trial.ending] += 1;
      if (trial.findings.length === 0) continue;
      const isCrash = trial.findings.some(({ kind }) => kind === 'crash');
      this.#counts[isCrash ? 'crashes' : 'unrightful'] += 1;
      await this.#keep(stage, trial, { seed, index });
      if (this.#isEnough()) return;
    }
  }

  #isEnough(): boolean {
    const { crashes, unrightful } = this.#counts;
    const { enough = Number.POSITIVE_INFINITY, signal } = this.#options;
    return crashes + unrightful >= enough || signal?.aborted === true;
  }

  async #play(stage: Stage, one: Scenario): Promise<Trial> {
    this.#unhandled = [];
    const trial = await attempt(stage, one);
    const rejected = this.#unhandled.map(
      (reason): Finding => ({ kind: 'crash', what: `unhandled rejection: ${String(reason)}` }),
    );
    return { ...trial, findings: [...trial.findings, ...rejected] };
  }

  /** The first of each sort, shrunk: that many are told of, and all are counted. */
  async #keep(stage: Stage, trial: Trial, { seed, index }: { seed: number; index: number }): Promise<void> {
    const sort = sortOf(trial);
    if (this.#failures.has(sort) || this.#failures.size >= mostFailures) return;
    const path = this.#options.shrink === false ? String(index) : await this.#smallest(stage, sort, { seed, index });
    const at = `${seed}:${path}`;
    const smallest = scenarioAt(at);
    const again = await this.#play(stage, smallest);
    this.#failures.set(sort, { findings: again.findings, scenario: smallest, at, trial: again });
  }

  async #smallest(stage: Stage, sort: string, { seed, index }: { seed: number; index: number }): Promise<string> {
    const fails = fc.asyncProperty(scenario, async (one) => sortOf(await this.#play(stage, one)) !== sort);
    const { counterexamplePath } = await fc.check(fails, { seed, path: String(index), numRuns: 1 });
    return counterexamplePath ?? String(index);
  }
}

/** @throws Error when nothing is to be found there. */
function scenarioAt(at: string): Scenario {
  const [, seed, path] = /^(-?\d+):(\d+(?::\d+)*)$/u.exec(at) ?? [];
  const [found] = path === undefined ? [] : fc.sample(scenario, { seed: Number(seed), path, numRuns: 1 });
  if (found === undefined)
    throw new Error(`${JSON.stringify(at)} is no scenario: give one as a failure is told of, such as 7:42:0:1`);
  return found;
}

/** One scenario alone, by where a failure says that it is. */
export async function replay(at: string): Promise<{ readonly scenario: Scenario; readonly trial: Trial }> {
  const one = scenarioAt(at);
  const stage = await setStage();
  try {
    return { scenario: one, trial: await attempt(stage, one) };
  } finally {
    await leaveStage(stage);
  }
}

/** What escapes the webhook is a crash of it. */
async function attempt(stage: Stage, one: Scenario): Promise<Trial> {
  try {
    const trial = await play(stage, one);
    // Rejections that nobody handled are told of between two turns.
    await new Promise((resolve) => setImmediate(resolve));
    return trial;
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { findings: [{ kind: 'crash', what: `escaped: ${what}` }], exchanges: [], ending: 'refused' };
  }
}

/** Failures of one sort say the same but for names and numbers. */
function sortOf({ findings }: Trial): string {
  return (findings[0]?.what ?? '').replaceAll(/"(?:[^"\\]|\\.)*"|\d+/gu, '…').slice(0, 60);
}

async function setStage(faults: Faults = {}): Promise<Stage> {
  const cluster = new FuzzCluster();
  const files = await generateStampKeys();
  const keys = {
    signer: await loadSigner(files),
    verifier: await loadVerifier({ stampPublicKeys: files.stampPublicKeys }),
  };
  const targets = {
    strict: createTarget(cluster, { keys, rules: 'strict', faults }),
    looser: createTarget(cluster, { keys, rules: 'looser', faults }),
  };
  const oracle = new Oracle(cluster, () => targets.strict.now);
  return { cluster, targets, oracle, lockbox: await fillLockbox(targets.strict, oracle) };
}

async function leaveStage({ targets }: Stage): Promise<void> {
  await Promise.all(Object.values(targets).map(async (target) => await target.close()));
}

/** Bytes in use, and nothing that could be given back. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
