import { isIP } from 'node:net';
import { type CopyFailure, copyFailures } from '../../shared/api/copy.ts';
import { parseObject } from '../../shared/api/json.ts';
import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../shared/api/pod.ts';
import type { ReasonCode } from '../../shared/api/reasons.ts';
import { type Copied, readCopied } from './record.ts';

/** How far a pod of a copy is, or what became of it, by what scheduler, kubelet and the program in it have put into its status. Pure. */
export type Verdict =
  | Pending
  | { readonly state: 'running' }
  | { readonly state: 'copied'; readonly copied: Copied }
  | Failure;

/** The same of an export pod, which is of use while it runs and has an address, and never comes to an end by itself. */
export type ExportVerdict = Pending | { readonly state: 'serving'; readonly address: string } | Failure;

export interface Pending {
  readonly state: 'pending';
  readonly reason: ReasonCode;
  readonly message: string;
  readonly type: 'Normal' | 'Warning';
}

export interface Failure {
  readonly state: 'failed';
  readonly reason: ReasonCode;
  readonly message: string;
  /** Trying again may help. */
  readonly retry: boolean;
  /** Somebody ended it who had other reasons than the copy: it does not count against the budget. */
  readonly disrupted: boolean;
  /** Only the source is to blame, as far as the program knows. */
  readonly ofSource?: true;
}

/** The container of a copy pod, and of an export pod. */
export const container = 'copy';

type Name = 'copy pod' | 'export pod';

export function verdictOn(pod: Pod, name: Name = 'copy pod'): Verdict {
  const { status = {}, metadata } = pod;
  const state = (status.containerStatuses ?? []).find(({ name }) => name === container)?.state ?? {};
  // The kubelet's word about the pod comes with that about the container; who deletes a pod only says so.
  if (status.phase === 'Succeeded' || status.phase === 'Failed') return ended(status, state.terminated, name);
  if (metadata.deletionTimestamp !== undefined) return disruption(status) ?? deleted(name);
  if (state.running !== undefined || state.terminated !== undefined) return { state: 'running' };
  return pending(status, state.waiting, name);
}

const exporter: Name = 'export pod';

export function exportVerdictOn(pod: Pod): ExportVerdict {
  const { phase, podIP = '' } = pod.status ?? {};
  // That is how it ends when it is told to; but the copy was not done.
  if (phase === 'Succeeded') return deleted(exporter, pod.metadata.deletionTimestamp !== undefined);
  const verdict = verdictOn(pod, exporter);
  if (verdict.state === 'failed' || verdict.state === 'pending') return verdict;
  return isIP(podIP) === 0 ? notYet('it has no address', exporter) : { state: 'serving', address: podIP };
}

/** Of an export pod that is not there any more. */
export const lostExport: Failure = deleted(exporter);

/** @param disrupted whether somebody else is known to have done it. */
function deleted(name: Name, disrupted = true): Failure {
  const what = disrupted ? 'was deleted' : 'ended';
  return failure('CopyPodDeleted', `the ${name} ${what} before the copy was done`, { disrupted });
}

function failure(reason: ReasonCode, message: string, more: Partial<Failure> = {}): Failure {
  return { state: 'failed', reason, message, retry: true, disrupted: false, ...more };
}

type Terminated = NonNullable<ContainerStatus['state']>['terminated'];

/** What was done to the pod goes before what the program says, which is often only the consequence. */
function ended(status: PodStatus, terminated: Terminated, name: Name): Verdict {
  const said = terminated?.message ?? '';
  const result = parseObject(said);
  if (status.phase === 'Succeeded') {
    const copied = result?.['outcome'] === 'succeeded' ? readCopied(result) : undefined;
    return copied === undefined ? silent(said) : { state: 'copied', copied };
  }
  return (
    disruption(status) ??
    byKubelet(status) ??
    outOfMemory(terminated, name) ??
    told(result, name) ??
    unexplained(terminated, name)
  );
}

function silent(said: string): Failure {
  const what = said === '' ? 'no result' : `a result that cannot be read: ${quoted(said)}`;
  return failure(
    'CopyToolFailed',
    `the copy pod ended with success and left ${what}; is --copy-image of this version?`,
    {
      retry: false,
    },
  );
}

/** Reasons of the condition DisruptionTarget (KEP-3329). */
const disruptions: Readonly<Record<string, ReasonCode>> = {
  PreemptionByScheduler: 'CopyEvicted',
  EvictionByEvictionAPI: 'CopyEvicted',
  DeletionByTaintManager: 'CopyNodeLost',
  DeletionByPodGC: 'CopyNodeLost',
};

function disruption({ conditions = [] }: PodStatus): Failure | undefined {
  const target = conditions.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True');
  const reason = disruptions[target?.reason ?? ''];
  return reason === undefined ? undefined : failure(reason, wordsOf(target), { disrupted: true });
}

/** A kubelet under pressure has a reason that may lie in the copy, so this counts. */
function byKubelet({ reason, message }: PodStatus): Failure | undefined {
  if (reason === undefined) return undefined;
  if (reason === 'NodeLost' || reason === 'NodeShutdown' || reason === 'Terminated')
    return failure('CopyNodeLost', wordsOf({ reason, message }), { disrupted: true });
  return failure('CopyEvicted', wordsOf({ reason, message }));
}

function outOfMemory(terminated: Terminated, name: Name): Failure | undefined {
  if (terminated?.reason !== 'OOMKilled') return undefined;
  return failure('CopyOutOfMemory', `the ${name} needed more memory than it may have (--copy-limits)`);
}

/** What the program itself says; it knows best, and its words are checked as those of anybody who can write to the pod's status. */
function told(result: ReturnType<typeof parseObject>, name: Name): Failure | undefined {
  const { outcome, reason, message, retry, side } = result ?? {};
  if (outcome !== 'failed' || !isCopyFailure(reason)) return undefined;
  return failure(reason, typeof message === 'string' ? quoted(message) : '', {
    retry: retry === true,
    ...(side === 'source' || name === exporter ? { ofSource: true } : {}),
  });
}

function unexplained(terminated: Terminated, name: Name): Failure {
  const { exitCode, reason = 'no reason', message = '' } = terminated ?? {};
  const code = exitCode === undefined ? 'without an exit code' : `with exit code ${exitCode}`;
  const words = message === '' ? '' : `: ${quoted(message)}`;
  return failure('CopyToolFailed', `the ${name} ended ${code} (${reason})${words}`);
}

/** Reasons that a container waits for, by which the kubelet tells that it cannot get its image. */
const pulling: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
]);

/** All of these end by themselves when what hinders them does: the kubelet and the scheduler try again. */
function pending(status: PodStatus, waiting: NonNullable<ContainerStatus['state']>['waiting'], name: Name): Pending {
  const refused = unschedulable(status);
  if (refused !== undefined) {
    const words = wordsOf({ message: refused.message });
    return waits('CopyPodUnschedulable', `no node can run the ${name}: ${words}`);
  }
  const { reason = '', message = '' } = waiting ?? {};
  if (pulling.has(reason)) return waits('CopyImagePullFailed', wordsOf({ reason, message }));
  if (reason !== '' && reason !== 'ContainerCreating' && reason !== 'PodInitializing')
    return waits('CopyPodCannotStart', wordsOf({ reason, message }));
  const isScheduled = scheduling(status)?.status === 'True';
  return notYet(isScheduled ? 'its node prepares the volumes and the image' : 'it is to be scheduled', name);
}

/** The condition by which the scheduler tells that no node takes a pod; undefined when it does not. */
export function unschedulable(status: PodStatus): PodCondition | undefined {
  const told = scheduling(status);
  return told?.status === 'False' && told.reason === 'Unschedulable' ? told : undefined;
}

function scheduling({ conditions = [] }: PodStatus): PodCondition | undefined {
  return conditions.find(({ type }) => type === 'PodScheduled');
}

function notYet(what: string, name: Name): Pending {
  const message = `the ${name} is not running yet: ${what}`;
  return { state: 'pending', reason: 'CopyPodPending', message, type: 'Normal' };
}

function waits(reason: ReasonCode, message: string): Pending {
  return { state: 'pending', reason, message, type: 'Warning' };
}

interface Words {
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

function wordsOf({ reason = '', message = '' }: Words = {}): string {
  return [reason, quoted(message)].filter((words) => words !== '').join(': ');
}

/** Characters of what others wrote. */
const longestQuote = 800;

/** On one line, and not too much of it. */
export function quoted(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(0, longestQuote);
}

function isCopyFailure(value: unknown): value is CopyFailure {
  return typeof value === 'string' && (copyFailures as readonly string[]).includes(value);
}
