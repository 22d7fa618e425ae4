import { isObject, parseObject } from '../../shared/api/json.ts';
import type { ObjectReference } from '../../shared/api/objects.ts';
import { formatQuantity } from '../../shared/api/quantity.ts';
import type { Client } from '../../shared/kube/client.ts';
import { ApiError } from '../../shared/kube/errors.ts';
import type { Clock } from '../../shared/process/clock.ts';
import type { Logger } from '../../shared/process/log.ts';
import { container } from './verdict.ts';

/**
 * How far running copies are. The pod has no network; it writes lines to its log, and the API server reads that from the kubelet, over the
 * connection that `kubectl logs` takes as well. So it works where NetworkPolicies deny everything, and the pod needs no token.
 */

/** What is told of a copy, the same until it has come on noticeably: each telling is a write. */
export interface Told {
  /** In CDI's form, `12.34%`. */
  readonly progress: string;
  /** For people. */
  readonly words: string;
}

export interface ProgressReader {
  /**
   * What is known by now. When that is old, the log is read, and what it says is known the next time: nobody waits for a kubelet.
   * @param pod with its uid.
   */
  of(key: string, pod: ObjectReference, copying: 'plain' | 'verified', signal: AbortSignal): Told | undefined;
  /** Milliseconds after which to ask again. */
  readonly interval: number;
  forget(key: string): void;
}

interface Known {
  readonly uid: string;
  /** By the steady clock. */
  readonly asked: number;
  readonly told?: Told & { readonly percent: number; readonly at: number };
}

/** Percent, and milliseconds, after which any step is noticeable. */
const noticeable = 1;
const longSilence = 60_000;
/** Milliseconds that a kubelet may take. */
const patience = 5000;
/** Other lines may stand between two of progress. */
const lines = { container, tailLines: 20, limitBytes: 65_536 };

export function createProgressReader(parts: {
  readonly client: Pick<Client, 'podLog'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly interval: number;
}): ProgressReader {
  const { client, clock, log, interval } = parts;
  const known = new Map<string, Known>();
  const ask = async (key: string, pod: ObjectReference, copying: 'plain' | 'verified', signal: AbortSignal) => {
    const { namespace = '', name = '' } = pod;
    try {
      const text = await client.podLog({ namespace, name }, lines, { signal, deadline: patience });
      const current = known.get(key);
      if (current !== undefined && current.uid === pod.uid)
        known.set(key, heard(current, text, copying, clock.elapsed()));
    } catch (error) {
      // A node that does not answer is told by others; here only words are lost.
      if (!(error instanceof ApiError) && !signal.aborted) throw error;
      log.debug({ err: error, pod: `${namespace}/${name}` }, 'The log of a copy pod could not be read');
    }
  };
  return {
    interval,
    of: (key, pod, copying, signal) => {
      const { uid = '' } = pod;
      const now = clock.elapsed();
      const last = known.get(key);
      const current = last?.uid === uid ? last : undefined;
      if (current === undefined || now - current.asked >= interval) {
        known.set(key, { ...current, uid, asked: now });
        void ask(key, pod, copying, signal);
      }
      return current?.told;
    },
    forget: (key) => void known.delete(key),
  };
}

function heard(known: Known, text: string, copying: 'plain' | 'verified', now: number): Known {
  const last = text
    .split('\n')
    .toReversed()
    .map(readLine)
    .find((line) => line !== undefined);
  if (last === undefined) return known;
  const percent = percentOf(last, copying);
  const { told } = known;
  const moved = Math.abs(percent - (told?.percent ?? Number.NEGATIVE_INFINITY));
  if (told !== undefined && moved < noticeable && (moved === 0 || now - told.at < longSilence)) return known;
  return { ...known, told: { percent, at: now, progress: `${percent.toFixed(2)}%`, words: wordsOf(last) } };
}

interface Line {
  readonly step: 'copying' | 'verifying';
  readonly done: bigint;
  readonly total: bigint;
  readonly rate: number;
  readonly remaining?: number;
}

/** Whoever can write into the source's namespace can make a pod say anything, so nothing is taken as it comes. */
function readLine(text: string): Line | undefined {
  const line = parseObject(text);
  if (!isObject(line) || line['copy'] !== 'progress') return undefined;
  const { step, done, total, rate, remaining } = line;
  if (step !== 'copying' && step !== 'verifying') return undefined;
  if (!isDecimal(done) || !isDecimal(total)) return undefined;
  return {
    step,
    done: BigInt(done),
    total: BigInt(total),
    rate: isSeconds(rate) ? rate : 0,
    ...(isSeconds(remaining) ? { remaining } : {}),
  };
}

function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,20}$/u.test(value);
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

/** A copy that is read again at the end is half done when it is written. */
function percentOf({ step, done, total }: Line, copying: 'plain' | 'verified'): number {
  const ratio = total === 0n ? 10_000n : (done * 10_000n) / total;
  const part = Math.min(Number(ratio), 10_000) / 100;
  if (copying === 'plain') return step === 'verifying' ? 100 : part;
  return step === 'verifying' ? 50 + part / 2 : part / 2;
}

function wordsOf({ step, done, total, rate, remaining }: Line): string {
  const rest = remaining === undefined ? '' : `, about ${Math.ceil(remaining)} s left`;
  const what = step === 'verifying' ? 'compared' : 'copied';
  return `${formatQuantity(done)} of ${formatQuantity(total)} are ${what}, ${rateOf(rate)}${rest}`;
}

/** @param rate bytes per second. */
export function rateOf(rate: number): string {
  return `${(rate / 1_048_576).toFixed(1)} MiB/s`;
}
