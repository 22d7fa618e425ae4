import { createHash } from 'node:crypto';
import { isObject } from '../shared/api/json.ts';
import { eventAnnotations, labels } from '../shared/api/names.ts';
import { keyOf, type ObjectReference } from '../shared/api/objects.ts';
import { clean } from '../shared/kube/event-object.ts';
import type { Emission } from '../shared/kube/events.ts';
import { apiVersionOf, claims, dataSources, dataVolumes, volumeSnapshots } from '../shared/kube/resource.ts';
import type { Served } from '../shared/kube/served.ts';
import type { Settings } from '../shared/process/settings.ts';
import type { Asked } from './source.ts';
import { nameOf, type Verdict } from './verdict.ts';
import { quote } from './words.ts';

/** Which events a verdict becomes, and what each says to whom. Pure. */

/** What the administrator wants to be recorded, and where. */
export interface EventPolicy {
  /** Takes a copy of all; nobody but administrators reads it. */
  readonly auditNamespace: string;
  readonly denied: boolean;
  readonly allowed: boolean;
  readonly shadow: boolean;
  readonly inTargetNamespace: boolean;
  readonly inSourceNamespace: boolean;
  /** Elsewhere we may not write. */
  readonly served: Pick<Served, 'includes'>;
}

export function eventPolicyOf(settings: Settings<'webhook'>, served: EventPolicy['served']): EventPolicy {
  return {
    served,
    auditNamespace: settings.auditNamespace,
    denied: settings.eventsDenied,
    allowed: settings.eventsAllowed,
    shadow: settings.eventsShadow,
    inTargetNamespace: settings.eventsInTargetNamespace,
    inSourceNamespace: settings.eventsInSourceNamespace,
  };
}

type Said = Pick<Emission, 'reason' | 'type' | 'action'> & { readonly text: string };

/**
 * The administrator's copy first: should the user's budget end between two of them, that is the one that must not be missing. Nothing for
 * what was only tried (dry run), and nothing from mutate, which may be called several times and says neither yes nor no.
 */
export function noticesOf(policy: EventPolicy, verdict: Verdict): readonly Emission[] {
  const { webhook, review, about } = verdict;
  const said = webhook === 'validate' && !review.dryRun ? sayingOf(policy, verdict) : undefined;
  if (said === undefined || about.asked === undefined) return [];
  const { auditNamespace, inTargetNamespace, inSourceNamespace, served } = policy;
  const isOthers = (namespace: string): boolean => namespace !== auditNamespace && served.includes(namespace);
  const { asked, source = asked } = about;
  const notices = [toAdministrator(auditNamespace, verdict, said, source)];
  if (inTargetNamespace && isOthers(review.namespace)) notices.push(toRequester(verdict, said, asked));
  const elsewhere = source.namespace !== review.namespace && isOthers(source.namespace);
  if (inSourceNamespace && elsewhere && source.kind !== 'DataSource') notices.push(toOwner(verdict, said, source));
  return notices;
}

function sayingOf(policy: EventPolicy, verdict: Verdict): Said | undefined {
  const { decision, reason, message, about } = verdict;
  if (decision === 'allow')
    return policy.allowed && about.record !== undefined && about.asked !== undefined
      ? { reason: 'CloneAuthorized', type: 'Normal', action: 'Authorize', text: permission(verdict, about.asked) }
      : undefined;
  if (reason === undefined) return undefined;
  const action = about.access === undefined || about.access === 'stamped' ? 'Validate' : 'Authorize';
  // The code is the event's reason already.
  const text = message.replace(`${reason}: `, '');
  if (decision === 'deny' || decision === 'error')
    return policy.denied ? { reason, type: 'Warning', action, text } : undefined;
  // Not a warning: nothing has happened to anybody.
  const would = `would be refused in enforce mode (${reason}): ${text}`;
  return policy.shadow ? { reason: 'CloneWouldBeDenied', type: 'Normal', action, text: would } : undefined;
}

function permission({ review, about: { record } }: Verdict, asked: Thing): string {
  const how = record?.strategy === undefined ? `, but not yet (${record?.reason})` : ` by ${record.strategy}`;
  return `user ${quote(review.userInfo.username)} may clone ${nameOf(asked)}${how}`;
}

type Thing = Pick<Asked, 'kind' | 'namespace' | 'name'>;

/** Knows where a DataSource led. */
function toAdministrator(namespace: string, verdict: Verdict, said: Said, source: Thing): Emission {
  return { ...common(verdict, said, source), namespace, regarding: targetOf(verdict), related: referenceTo(source) };
}

/** The requester's own namespace holds only what the requester said. */
function toRequester(verdict: Verdict, said: Said, asked: Thing): Emission {
  const { namespace } = verdict.review;
  return { ...common(verdict, said, asked), namespace, regarding: targetOf(verdict), related: referenceTo(asked) };
}

/**
 * To whom the source belongs: who wanted it, into what, and the verdict; nothing else of the other tenant's. Not written elsewhere when
 * the namespace does not exist, as for other events: the administrator has a copy already.
 */
function toOwner(verdict: Verdict, said: Said, source: Thing): Emission {
  const { review, decision, reason } = verdict;
  const { namespace = '', name = '' } = targetOf(verdict);
  const text = `user ${quote(review.userInfo.username)} ${outcomes[decision](reason ?? '')}; target: DataVolume ${namespace}/${name}`;
  const { [eventAnnotations.strategy]: _, ...annotations } = annotationsOf(verdict, source);
  return {
    ...common(verdict, { ...said, text }, source),
    namespace: source.namespace,
    regarding: referenceTo(source),
    related: referenceTo({ kind: 'DataVolume', namespace, name }),
    annotations,
    fallback: false,
  };
}

const outcomes: Readonly<Record<Verdict['decision'], (reason: string) => string>> = {
  allow: () => 'may clone this',
  deny: (reason) => `was refused to clone this (${reason})`,
  error: (reason) => `was not let to clone this, for lack of an answer (${reason})`,
  'would-deny': (reason) => `would have been refused to clone this (${reason}), but was let pass in shadow mode`,
  'would-error': (reason) => `got no answer about cloning this (${reason}), and was let pass in shadow mode`,
};

/** An Event's note has 1,024 bytes. */
const longestNote = 1024;

function common(verdict: Verdict, { reason, type, action, text }: Said, source: Thing) {
  const { review, decisionId, about } = verdict;
  const who = review.userInfo.username;
  const id = ` (decision ${decisionId})`;
  return {
    reason,
    type,
    action,
    // The id leads to all the rest, so it is never what is cut off.
    note: clean(text, longestNote - Buffer.byteLength(id)) + id,
    // Not by the name of the DataVolume: a loop with generateName must not make an event each time.
    key: JSON.stringify([who, review.namespace, nameOf(about.asked ?? source), verdict.reason]),
    // A name may be of any length, and many are remembered.
    budgetKey: createHash('sha256').update(who).digest('base64'),
    labels: { [labels.managedBy]: 'clonegate' },
    annotations: annotationsOf(verdict, source),
  } satisfies Partial<Emission>;
}

function annotationsOf(verdict: Verdict, source: Thing): Readonly<Record<string, string>> {
  const { review, decision, decisionId, reason, about } = verdict;
  const { namespace = '', name = '' } = targetOf(verdict);
  return {
    [eventAnnotations.decisionId]: decisionId,
    [eventAnnotations.verdict]: decision,
    ...(reason === undefined ? {} : { [eventAnnotations.code]: reason }),
    [eventAnnotations.user]: review.userInfo.username,
    [eventAnnotations.target]: keyOf({ namespace, name }),
    [eventAnnotations.source]: nameOf(source),
    ...(about.record?.strategy === undefined ? {} : { [eventAnnotations.strategy]: about.record.strategy }),
  };
}

const kinds = {
  PersistentVolumeClaim: claims,
  VolumeSnapshot: volumeSnapshots,
  DataSource: dataSources,
  DataVolume: dataVolumes,
};

function referenceTo({ kind, namespace, name }: Omit<Thing, 'kind'> & { readonly kind: keyof typeof kinds }) {
  return { apiVersion: apiVersionOf(kinds[kind]), kind, namespace, name };
}

/** A DataVolume that was refused at CREATE never existed, so it has no uid that anything could refer to. */
export function targetOf({ review, decision }: Pick<Verdict, 'review' | 'decision'>): ObjectReference {
  const { operation, namespace, object, name: requested } = review;
  const { name, generateName, uid } = isObject(object['metadata']) ? object['metadata'] : {};
  const called = text(name) ?? (requested === '' ? undefined : requested) ?? `${text(generateName) ?? ''}*`;
  const exists = operation === 'UPDATE' || (decision !== 'deny' && decision !== 'error');
  const known = exists ? text(uid) : undefined;
  const reference = referenceTo({ kind: 'DataVolume', namespace, name: called });
  return known === undefined ? reference : { ...reference, uid: known };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
