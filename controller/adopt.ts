import { annotations } from '../shared/api/names.ts';
import { controllerOf, keyOf, type PersistentVolumeClaim, type Stored } from '../shared/api/objects.ts';
import { claims } from '../shared/kube/resource.ts';
import type { Effect } from './effects.ts';
import { type Observed, targetRef } from './observed.ts';
import type { Plan } from './plan.ts';
import { ownedBy, patchVolume, release } from './steps/parts.ts';
import { waitFor } from './steps/step.ts';

/**
 * DataVolumes whose claim is there already, with its content: restored from a backup, filled by somebody else, or to be taken over as it
 * is. Nothing is cloned, so nobody's right is asked for. By CDI's marks and rules (cdi-behaviour 3.8), but for volumes that are
 * provisioned statically (`checkStaticVolume`), which are not looked for. Undefined for a DataVolume that is to be cloned. Pure.
 */
export function adoption(o: Observed): Plan | undefined {
  const { volume, claim } = o;
  const populated = volume.metadata.annotations?.[annotations.prePopulated] !== undefined;
  if (claim === undefined) return populated ? missing(o) : undefined;
  const owner = controllerOf(claim);
  const ours = owner?.uid === volume.metadata.uid;
  if (madeFor(claim, volume.metadata.uid) || (owner !== undefined && !ours)) return undefined;
  const filled = claim.metadata.annotations?.[annotations.populatedFor] === volume.metadata.name;
  if (filled && claim.status?.phase !== 'Bound') return unbound(o);
  if (!filled && !mayAdopt(o) && !(populated && ours)) return undefined;
  const effects = [...(ours ? [] : [take(o, claim)]), ...(filled && !populated ? [mark(o, claim)] : [])];
  if (effects.length > 0) return { state: 'acting', step: 'adopted', effects };
  return { state: 'done', effects: release(volume), adopted: true };
}

/** A claim that we made is one to be cloned into, whatever else is said of it. */
function madeFor({ metadata }: PersistentVolumeClaim, uid: string): boolean {
  return metadata.annotations?.[annotations.createdForDataVolume] === uid;
}

function mayAdopt({ volume: { metadata } }: Observed): boolean {
  return metadata.annotations?.[annotations.allowClaimAdoption] === 'true';
}

function missing({ volume }: Observed): Plan {
  const message = `PersistentVolumeClaim ${keyOf(targetRef(volume))} is said to be filled already, but does not exist`;
  return { state: 'waiting', step: 'adopted', wait: waitFor('Pending', 'NotFound', message, { type: 'Normal' }) };
}

function unbound({ volume }: Observed): Plan {
  const message = `PersistentVolumeClaim ${keyOf(targetRef(volume))}, which is filled already, is not bound`;
  return { state: 'waiting', step: 'adopted', wait: waitFor('Pending', 'Pending', message, { type: 'Normal' }) };
}

function take({ volume }: Observed, { metadata }: Stored<PersistentVolumeClaim>): Effect {
  const { uid, resourceVersion, name, namespace = '', ownerReferences = [] } = metadata;
  const patch = { metadata: { ownerReferences: [...ownerReferences, ownedBy(volume)] } };
  return { kind: 'patch', resource: claims, ref: { namespace, name }, uid, resourceVersion, patch };
}

function mark({ volume }: Observed, { metadata: { name } }: Stored<PersistentVolumeClaim>): Effect {
  return patchVolume(volume, { metadata: { annotations: { [annotations.prePopulated]: name } } });
}
