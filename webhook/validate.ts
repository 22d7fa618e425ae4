import { type DataVolume, isClone } from '../shared/api/datavolume.ts';
import type { JsonObject } from '../shared/api/json.ts';
import { annotations } from '../shared/api/names.ts';
import { parseRecord } from '../shared/decision/record.ts';
import type { Client } from '../shared/kube/client.ts';
import type { Verifier } from '../shared/trust/keys.ts';
import type { Ask } from './access.ts';
import { changedReserved, changedSpec } from './immutable.ts';
import { ruleOnRecord } from './outcome.ts';
import { allowed, denied, errored } from './respond.ts';
import type { Review } from './review.ts';
import type { Findings, Handler, Ruling } from './ruling.ts';
import { type Fault, readVolume } from './shape.ts';
import { type Asked, askedOf, resolveSource } from './source.ts';
import { faultsOf } from './spec.ts';
import { type Flaw, readDecision } from './stamped.ts';
import { alteredText, denialOf, describe, notStampedText, quote } from './words.ts';

/**
 * The validating webhook: the object as it will be stored is still what was authorized and stamped, else the right is asked about
 * again and the requester told why not. All refusals come from here.
 */

export interface ValidateParts {
  readonly ask: Ask;
  readonly client: Pick<Client, 'get'>;
  readonly verifier: Verifier;
  /** User name of the controller, which alone may change what is stamped. */
  readonly controllerUser: string;
}

export function createValidate(parts: ValidateParts): Handler {
  return {
    webhook: 'validate',
    rule: async (review, signal) =>
      review.operation === 'UPDATE' ? ruleOnUpdate(parts, review) : await ruleOnCreate(parts, review, signal),
    fail: (review, error) => undecided(review, error),
  };
}

async function ruleOnCreate(parts: ValidateParts, review: Review, signal: AbortSignal): Promise<Ruling> {
  const { volume, faults } = readVolume(review.object, review.namespace);
  if (faults !== undefined) return rejected(review, faults);
  if (!isClone(volume)) return { response: allowed(review.uid) };
  const wrong = faultsOf(volume);
  if (wrong.length > 0) return rejected(review, wrong, { asked: askedOf(volume) });
  const decision = await readDecision(parts.verifier, volume, review.userInfo.username);
  if ('reason' in decision && !('outcome' in decision)) return await askAgain(parts, review, volume, decision, signal);
  return ruleOnRecord(review.uid, decision, { asked: askedOf(volume), access: 'stamped' });
}

/** The object is wrong whoever sends it; all of its faults at once. */
function rejected(review: Review, faults: readonly Fault[], about: Findings = {}): Ruling {
  const message = faults.map(({ field, message: text }) => `${field}: ${text}`).join('; ');
  return { response: denied(review.uid, { reason: 'CloneRejected', message, causes: faults }), about };
}

/**
 * Nothing may be relied on, so the right is asked about before anything else is said. A DataSource that leads nowhere takes a question as
 * well: neither words nor time shall tell it from one that leads to something the user may not clone.
 */
async function askAgain(
  parts: ValidateParts,
  review: Review,
  volume: DataVolume,
  flaw: Flaw,
  signal: AbortSignal,
): Promise<Ruling> {
  const { asked, source } = await resolveSource(parts.client, volume, signal);
  const { namespace, name } = asked;
  const standIn = { kind: 'PersistentVolumeClaim', namespace, name } as const;
  const access = await parts.ask(review.userInfo, source ?? standIn, signal);
  if (source === undefined || !access.allowed)
    return refused(review, { asked, ...(source && { source }), access: 'denied' });
  return notStamped(review, volume, flaw, { asked, source, access: 'allowed' });
}

function refused(review: Review, about: Findings & { readonly asked: Asked }): Ruling {
  const message = denialOf(review.userInfo.username, about.asked);
  return {
    response: denied(review.uid, { reason: 'CloneDenied', message, causes: [{ field: about.asked.field }] }),
    about,
  };
}

/** The user has the right, but the object is not one that we have authorized: it is not let through for that. */
function notStamped(
  { uid }: Review,
  volume: DataVolume,
  flaw: Flaw,
  about: Findings & { readonly asked: Asked },
): Ruling {
  const left = parseRecord(volume.metadata.annotations?.[annotations.decision]);
  // Mutate leaves word where trying again would not help. Whoever else wrote it, a refusal grants nothing.
  if (flaw.reason === 'StampMissing' && left?.outcome === 'refused') return ruleOnRecord(uid, left, about);
  const message = flaw.reason === 'StampMissing' ? notStampedText(about.asked) : alteredText(flaw.message);
  return {
    response: errored(uid, { reason: flaw.reason, message, causes: [{ field: 'metadata.annotations' }] }),
    about,
  };
}

/** Nobody is authorized anew for an update: only what was authorized at CREATE must stay as it was. */
function ruleOnUpdate({ controllerUser }: ValidateParts, review: Review): Ruling {
  const { uid, userInfo, object: after, oldObject: before = {}, namespace } = review;
  const asked = [after, before].map((object) => clonedBy(object, namespace)).find((clone) => clone !== undefined);
  if (asked === undefined) return { response: allowed(uid) };
  const about = asked === 'unreadable' ? {} : { asked };
  const keys = changedReserved(before, after);
  if (keys.length > 0 && userInfo.username !== controllerUser) {
    const causes = keys.map((key) => ({ field: `metadata.annotations[${key}]` }));
    const message = `user ${quote(userInfo.username)} may not change ${keys.join(', ')}: only Clonegate's controller does`;
    return { response: denied(uid, { reason: 'ReservedAnnotation', message, causes }), about };
  }
  const fields = changedSpec(before['spec'], after['spec']);
  if (fields.length === 0) return { response: allowed(uid), about };
  const why = 'cannot be changed after creation; delete the DataVolume and create it anew';
  const causes = fields.map((field) => ({ field, message: why }));
  const refusal = { reason: 'SpecImmutable', message: `${fields.join(', ')}: ${why}`, causes } as const;
  return { response: denied(uid, refusal), about };
}

/** What the object clones; an object that cannot be read counts as a clone, so that it cannot be changed into one unseen. */
function clonedBy(object: JsonObject, namespace: string): Asked | 'unreadable' | undefined {
  const { volume } = readVolume({ metadata: {}, ...object }, namespace);
  if (volume === undefined) return 'unreadable';
  return isClone(volume) ? askedOf(volume) : undefined;
}

/** The question could not be answered; that is no refusal, and it is never said to be one. */
function undecided(review: Review, error: unknown): Ruling {
  const clone = clonedBy(review.object, review.namespace);
  const asked = clone === undefined || clone === 'unreadable' ? undefined : clone;
  const message =
    `it could not be found out whether user ${quote(review.userInfo.username)} may clone ` +
    `${asked === undefined ? 'what the DataVolume names' : describe(asked)}; nothing was created or changed. Try again`;
  return {
    response: errored(review.uid, {
      reason: 'CloneAuthorizationFailed',
      message,
      causes: asked === undefined ? [] : [{ field: asked.field }],
    }),
    about: { error, access: 'error', ...(asked === undefined ? {} : { asked }) },
  };
}
