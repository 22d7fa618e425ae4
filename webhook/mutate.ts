import { type DataVolume, isClone, takesExistingVolume } from '../shared/api/datavolume.ts';
import { annotations, reservedAnnotations } from '../shared/api/names.ts';
import { decide } from '../shared/decision/decide.ts';
import type { PolicyFacts } from '../shared/decision/facts.ts';
import { plannedBy } from '../shared/decision/footprint.ts';
import { gatherFacts, type StorageLookups } from '../shared/decision/gather.ts';
import { parseRecord } from '../shared/decision/record.ts';
import { type FindParts, findSource } from './access.ts';
import { type Found, readSource } from './lookup.ts';
import { outside } from './outside.ts';
import { patchAnnotations } from './patch.ts';
import { allowed, patched } from './respond.ts';
import type { Review } from './review.ts';
import type { Findings, Handler, Ruling } from './ruling.ts';
import { readVolume } from './shape.ts';
import { askedOf } from './source.ts';
import { faultsOf } from './spec.ts';
import { annotate, type StampingParts } from './stamping.ts';

/**
 * The mutating webhook: whoever may clone gets the decision and a stamp onto the DataVolume. It never refuses and never says anything to
 * anybody; what it leaves unstamped is refused by the validating webhook, which alone sees the object as it will be stored.
 */

export interface MutateParts extends StampingParts, FindParts {
  /** The cluster's storage as it is known at the moment of the call. */
  readonly storage: () => StorageLookups;
  readonly policy: PolicyFacts;
}

export function createMutate(parts: MutateParts): Handler {
  return {
    webhook: 'mutate',
    rule: async (review, signal) => {
      const volume = cloneIn(review);
      return volume === undefined ? { response: allowed(review.uid) } : await rule(parts, review, volume, signal);
    },
    fail: (review, error) => {
      const volume = cloneIn(review);
      return volume === undefined ? { response: allowed(review.uid) } : unstamped(review, volume, { error });
    },
  };
}

/** The DataVolume when there is something to decide: a clone that is being created, and nothing that validate refuses at sight. */
function cloneIn({ operation, object, namespace }: Review): DataVolume | undefined {
  if (operation !== 'CREATE') return undefined;
  const { volume } = readVolume(object, namespace);
  return volume !== undefined && isClone(volume) && faultsOf(volume).length === 0 ? volume : undefined;
}

async function rule(parts: MutateParts, review: Review, volume: DataVolume, signal: AbortSignal): Promise<Ruling> {
  const { userInfo: user, namespace: into } = review;
  if (outside(parts.served, volume) !== undefined) return unstamped(review, volume, { asked: askedOf(volume) });
  const { asked, source, via, outside: elsewhere } = await findSource(parts, review, volume, signal);
  if (source === undefined) {
    const led = elsewhere === undefined ? {} : { source: elsewhere };
    return unstamped(review, volume, { asked, ...led, access: 'denied' });
  }
  // Both at once, but what is read counts for nothing, not even for the time that the answer takes, unless the user has the right. It is
  // read to its end all the same: to cut it off would close its connection, and the next call would have to open another.
  const reading = readSource(parts.client, source, signal);
  reading.catch(() => undefined);
  const access = await parts.ask({ user, source, into }, signal);
  if (!access.allowed) return unstamped(review, volume, { asked, source, access: 'denied' });
  const { rule } = access;
  const found = await reading;
  const sourceNamespace = parts.known.namespace(source.namespace);
  const facts = gatherFacts({
    volume,
    source,
    ...found,
    sourceNamespace,
    stores: parts.storage(),
    policy: parts.policy,
  });
  const identified = { ...source, ...uidOf(found) };
  const decision = decide(facts);
  // It need not clone anything, so nothing that speaks against the clone speaks against it.
  if (decision.outcome === 'refused' && takesExistingVolume(volume))
    return unstamped(review, volume, { asked, source, access: 'allowed', rule });
  const makes = plannedBy(decision, facts);
  const wanted = await annotate(parts, { review, volume, via, source: identified, rule, decision, makes });
  return {
    response: patched(review.uid, patchAnnotations(volume.metadata.annotations, { ...wanted, ...unsaid })),
    about: { asked, source, access: 'allowed', rule, record: parseRecord(wanted[annotations.decision]) },
  };
}

/** What only the controller says, and later. */
const unsaid = { [annotations.copy]: undefined, [annotations.digest]: undefined };

/** Whatever the user put there is taken away: an answer that we did not give must not look like one. */
function unstamped(review: Review, volume: DataVolume, about: Findings): Ruling {
  const none = Object.fromEntries(reservedAnnotations.map((key) => [key, undefined]));
  return { response: patched(review.uid, patchAnnotations(volume.metadata.annotations, none)), about };
}

function uidOf({ sourceClaim, sourceSnapshot }: Found): { readonly uid?: string } {
  const uid = (sourceClaim ?? sourceSnapshot)?.metadata.uid;
  return uid === undefined ? {} : { uid };
}
