import { type DataVolume, isClone, takesExistingVolume } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import { parseRecord } from '../shared/decision/record.ts';
import type { Verifier } from '../shared/trust/keys.ts';
import { askAbout, type FindParts } from './access.ts';
import type { Advise } from './advice.ts';
import { refusedBy, ruleOnRecord } from './outcome.ts';
import { outside } from './outside.ts';
import { allowed, denied, errored, faulty, withWarnings } from './respond.ts';
import type { Review } from './review.ts';
import type { Findings, Handler, Ruling } from './ruling.ts';
import { type Fault, readVolume } from './shape.ts';
import { type Asked, askedOf } from './source.ts';
import { faultsOf } from './spec.ts';
import { type Flaw, readDecision } from './stamped.ts';
import { targetTaken } from './taken.ts';
import { clonedBy, ruleOnUpdate } from './update.ts';
import { alteredText, denialOf, describe, notStampedText, quote, unstampedWarning } from './words.ts';

/**
 * The validating webhook: the object as it will be stored is still what was authorized and stamped, else the right is asked about
 * again and the requester told why not. All refusals come from here.
 */

export interface ValidateParts extends FindParts {
  readonly verifier: Verifier;
  readonly advise: Advise;
  /** User name of the controller, which alone may change what is stamped. */
  readonly controllerUser: string;
}

export function createValidate(parts: ValidateParts): Handler {
  return {
    webhook: 'validate',
    rule: async (review, signal) =>
      review.operation === 'UPDATE'
        ? await ruleOnUpdate(parts, review, signal)
        : await ruleOnCreate(parts, review, signal),
    fail: (review, error) => undecided(review, error),
  };
}

async function ruleOnCreate(parts: ValidateParts, review: Review, signal: AbortSignal): Promise<Ruling> {
  const { volume, faults } = readVolume(review.object, review.namespace);
  if (faults !== undefined) return rejected(review, faults);
  if (!isClone(volume)) return { response: allowed(review.uid) };
  const wrong = faultsOf(volume);
  if (wrong.length > 0) return rejected(review, wrong, { asked: askedOf(volume) });
  const elsewhere = takesExistingVolume(volume) ? undefined : outside(parts.served, volume);
  if (elsewhere !== undefined) return { response: denied(review.uid, elsewhere), about: { asked: askedOf(volume) } };
  const ruling = await ruleOnStamp(parts, review, volume, signal);
  if (!ruling.response.allowed) return ruling;
  // Last, so that only somebody whose clone is otherwise fine is told.
  const taken = await targetTaken(parts, volume, signal);
  return taken === undefined ? ruling : { ...ruling, response: denied(review.uid, taken) };
}

async function ruleOnStamp(
  parts: ValidateParts,
  review: Review,
  volume: DataVolume,
  signal: AbortSignal,
): Promise<Ruling> {
  const carried = await readDecision(parts.verifier, volume, review.userInfo.username);
  if ('record' in carried) {
    const { record, source, rule } = carried;
    const about = { asked: askedOf(volume), source, access: 'stamped', rule } as const;
    return ruleOnRecord(review.uid, volume, record, () => parts.advise({ volume, source, record }), about);
  }
  if (carried.reason === 'StampMissing' && takesExistingVolume(volume)) return withoutStamp(review, volume);
  return await askAgain(parts, review, volume, carried, signal);
}

/** Whether or not the user may clone: the words are the same. */
function withoutStamp(review: Review, volume: DataVolume): Ruling {
  const response = withWarnings(allowed(review.uid), [unstampedWarning]);
  return { response, about: { asked: askedOf(volume) } };
}

function rejected(review: Review, faults: readonly Fault[], about: Findings = {}): Ruling {
  return { response: denied(review.uid, faulty(faults)), about };
}

/** Nothing may be relied on, so the right is asked about before anything else is said. */
async function askAgain(
  parts: ValidateParts,
  review: Review,
  volume: DataVolume,
  flaw: Flaw,
  signal: AbortSignal,
): Promise<Ruling> {
  const { access, via: _, ...about } = await askAbout(parts, review, volume, signal);
  if (!access.allowed) return refused(review, { ...about, access: 'denied' });
  return notStamped(review, volume, flaw, { ...about, access: 'allowed', rule: access.rule });
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
  if (flaw.reason === 'StampMissing' && left?.outcome === 'refused') return refusedBy(uid, left, about);
  const message = flaw.reason === 'StampMissing' ? notStampedText(about.asked) : alteredText(flaw.message);
  return {
    response: errored(uid, { reason: flaw.reason, message, causes: [{ field: 'metadata.annotations' }] }),
    about,
  };
}

/** The question could not be answered; that is no refusal, and it is never said to be one. */
function undecided(review: Review, error: unknown): Ruling {
  const clone = clonedBy(review.object, review.namespace);
  const asked = clone === 'unreadable' ? undefined : clone;
  const message =
    `it could not be found out whether user ${quote(review.userInfo.username)} may clone ` +
    `${asked === undefined ? 'what the DataVolume names' : describe(asked)}; nothing was created or changed. Try again`;
  return {
    response: errored(review.uid, {
      reason: 'CloneAuthorizationFailed',
      message,
      causes: asked === undefined ? [] : [{ field: asked.field }],
    }),
    about: { error, access: 'error', asked },
  };
}
