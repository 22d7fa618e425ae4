import {
  type CloneSource,
  type DataVolume,
  existingVolume,
  isClone,
  takesExistingVolume,
} from '../shared/api/datavolume.ts';
import { isObject, type JsonObject } from '../shared/api/json.ts';
import { annotations } from '../shared/api/names.ts';
import { vetoOf } from '../shared/decision/gather.ts';
import { vetoText } from '../shared/decision/rules.ts';
import { askAbout, type FindParts } from './access.ts';
import { annotationOf, changedReserved, changedSpec } from './immutable.ts';
import { readSource } from './lookup.ts';
import { outside } from './outside.ts';
import { allowed, denied, faulty, type Refusal, withWarnings } from './respond.ts';
import type { Review } from './review.ts';
import type { Findings, Ruling } from './ruling.ts';
import { readVolume } from './shape.ts';
import { type Asked, askedOf } from './source.ts';
import { denialOf, quote, unstampedWarning } from './words.ts';

/**
 * Updates: what was authorized at CREATE has to stay as it was. Nobody is authorized anew for a label or a finalizer, so none of these can
 * fail because a source or a right is gone. Only who turns a DataVolume that need not clone into one that does is asked about.
 */

export interface UpdateParts extends FindParts {
  readonly controllerUser: string;
}

export async function ruleOnUpdate(parts: UpdateParts, review: Review, signal: AbortSignal): Promise<Ruling> {
  const { uid, object: after, oldObject: before = {}, namespace } = review;
  const asked = [after, before].map((object) => clonedBy(object, namespace)).find((clone) => clone !== undefined);
  if (asked === undefined) return { response: allowed(uid) };
  const about = asked === 'unreadable' ? {} : { asked };
  const refusal = reservedChanged(parts, review, about) ?? specChanged(review, about);
  if (refusal !== undefined) return refusal;
  if (!neededNotClone(before)) return { response: allowed(uid), about };
  const { volume, faults } = readVolume({ metadata: {}, ...after }, namespace);
  // Whether the annotation is still there cannot be said of it.
  if (faults !== undefined) return { response: denied(uid, faulty(faults)), about };
  return takesExistingVolume(volume)
    ? { response: allowed(uid), about }
    : await askForOnce(parts, review, volume, signal);
}

/** What the object clones; an object that cannot be read counts as a clone, so that it cannot be changed into one unseen. */
export function clonedBy(object: JsonObject, namespace: string): Asked | 'unreadable' | undefined {
  const { volume } = readVolume({ metadata: {}, ...object }, namespace);
  if (volume === undefined) return 'unreadable';
  return isClone(volume) ? askedOf(volume) : undefined;
}

function reservedChanged(
  { controllerUser }: UpdateParts,
  { uid, userInfo, object: after, oldObject: before = {} }: Review,
  about: Findings,
): Ruling | undefined {
  const keys = changedReserved(before, after);
  if (keys.length === 0 || userInfo.username === controllerUser) return undefined;
  const causes = keys.map((key) => ({ field: `metadata.annotations[${key}]` }));
  const message = `user ${quote(userInfo.username)} may not change ${keys.join(', ')}: only Clonegate's controller does`;
  return { response: denied(uid, { reason: 'ReservedAnnotation', message, causes }), about };
}

function specChanged({ uid, object: after, oldObject: before = {} }: Review, about: Findings): Ruling | undefined {
  const fields = changedSpec(before['spec'], after['spec']);
  if (fields.length === 0) return undefined;
  const why = 'cannot be changed after creation; delete the DataVolume and create it anew';
  const causes = fields.map((field) => ({ field, message: why }));
  return {
    response: denied(uid, { reason: 'SpecImmutable', message: `${fields.join(', ')}: ${why}`, causes }),
    about,
  };
}

/** It was let in without the right to clone because of an annotation, which may be taken away now. What is being deleted begins nothing. */
function neededNotClone(before: JsonObject): boolean {
  const { metadata } = before;
  const isGoing = isObject(metadata) && (metadata['deletionTimestamp'] ?? null) !== null;
  return !isGoing && existingVolume.some((key) => annotationOf(before, key) !== undefined);
}

async function askForOnce(
  parts: UpdateParts,
  review: Review,
  volume: DataVolume,
  signal: AbortSignal,
): Promise<Ruling> {
  const { uid, userInfo } = review;
  const elsewhere = outside(parts.served, volume);
  if (elsewhere !== undefined) return { response: denied(uid, elsewhere), about: { asked: askedOf(volume) } };
  const { access, via: _, ...about } = await askAbout(parts, review, volume, signal);
  if (!access.allowed) {
    const causes = existingVolume.map((key) => ({ field: `metadata.annotations[${key}]` }));
    const message = denialOf(userInfo.username, about.asked);
    return { response: denied(uid, { reason: 'CloneDenied', message, causes }), about: { ...about, access: 'denied' } };
  }
  const veto = about.source === undefined ? undefined : await vetoed(parts, volume, about.source, signal);
  if (veto !== undefined)
    return { response: denied(uid, veto), about: { ...about, access: 'allowed', rule: access.rule } };
  const stamped = volume.metadata.annotations?.[annotations.stamp] !== undefined;
  const response = withWarnings(allowed(uid), stamped ? [] : [unstampedWarning]);
  return { response, about: { ...about, access: 'allowed', rule: access.rule } };
}

/** Only somebody with the right gets to know it. A stamp has heeded it, but what was let in need not have one, and CDI does not ask for one. */
async function vetoed(
  { client, known }: UpdateParts,
  volume: DataVolume,
  source: CloneSource,
  signal: AbortSignal,
): Promise<Refusal | undefined> {
  const found = await readSource(client, source, signal);
  const veto = vetoOf({ volume, source, ...found, sourceNamespace: known.namespace(source.namespace) });
  return veto === undefined
    ? undefined
    : { reason: 'CloneVetoed', message: vetoText(veto), causes: [{ field: veto.field }] };
}
