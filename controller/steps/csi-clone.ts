import { keyOf, type PersistentVolumeClaim } from '../../shared/api/objects.ts';
import { annotations } from '../../shared/api/names.ts';
import { formatQuantity } from '../../shared/api/quantity.ts';
import { claims } from '../../shared/kube/resource.ts';
import type { Effect } from '../effects.ts';
import { capacityOf, type Observed, ownClaim, requestOf, targetRef } from '../observe.ts';
import { targetClaim } from './claim.ts';
import { hold } from './parts.ts';
import { sourceLost, sourceReady } from './source.ts';
import { gate, type Step, type Wait, waitFor } from './step.ts';

/** csi-clone within one namespace: the target claim itself names the source claim, and the driver does the rest. */

const claimed: Step = {
  name: 'claimed',
  guarded: true,
  done: (o) => {
    const own = ownClaim(o);
    return own !== undefined && own.metadata.deletionTimestamp === undefined;
  },
  waits: (o) => {
    const target = `PersistentVolumeClaim ${keyOf(targetRef(o.volume))}`;
    if (o.claim === undefined) return undefined;
    if (ownClaim(o) === undefined)
      return waitFor('Pending', 'ErrResourceExists', `${target} exists and does not belong to this DataVolume`);
    return waitFor(
      'Pending',
      'ErrResourceMarkedForDeletion',
      `${target} is being deleted; it is made again when it is gone`,
    );
  },
  effects: (o) => [...hold(o.volume), ...createClaim(o)],
};

function createClaim({ volume, source, choice }: Observed): readonly Effect[] {
  const size = capacityOf(source?.claim);
  // The steps before this one have seen to both.
  if (source === undefined || size === undefined || choice.by !== 'record') return [];
  const from = { kind: source.ref.kind, name: source.ref.name };
  const object = targetClaim({ volume, target: choice.target, size, from });
  return [{ kind: 'create', resource: claims, object, ownerUid: volume.metadata.uid }];
}

const bound = gate('bound', (o) => {
  const claim = ownClaim(o);
  if (claim === undefined) return undefined;
  const target = `PersistentVolumeClaim ${keyOf(targetRef(o.volume))}`;
  const phase = claim.status?.phase ?? 'Pending';
  if (phase === 'Lost') return waitFor('Failed', 'ErrClaimLost', `${target} lost its volume`);
  if (phase === 'Pending') return pending(o, claim, target);
  if (phase !== 'Bound') return waitFor('Unknown', 'Pending', `${target} is in phase ${phase}`);
  return growing(claim, target);
});

function pending(o: Observed, claim: PersistentVolumeClaim, target: string): Wait {
  const lost = sourceLost(o);
  if (lost !== undefined) return waitFor('CSICloneInProgress', 'CloneWithoutSource', lost);
  if (o.bindsLate && claim.metadata.annotations?.[annotations.selectedNode] === undefined) {
    const message = `${target} is bound when the first pod that uses it is scheduled`;
    return waitFor('WaitForFirstConsumer', 'WaitForFirstConsumer', message, { type: 'Normal' });
  }
  return inProgress(o);
}

function inProgress({ source, volume }: Observed): Wait {
  const from = `${source?.ref.namespace ?? ''}/${source?.ref.name ?? ''}`;
  const message = `the CSI driver clones ${from} into ${keyOf(targetRef(volume))}`;
  return waitFor('CSICloneInProgress', 'CSICloneInProgress', message, { type: 'Normal' });
}

function growing(claim: PersistentVolumeClaim, target: string): Wait | undefined {
  const capacity = capacityOf(claim);
  const request = requestOf(claim);
  if (capacity !== undefined && capacity >= request) return undefined;
  const has = capacity === undefined ? 'does not tell its size' : `has ${formatQuantity(capacity)}`;
  const message = `${target} ${has}; ${formatQuantity(request)} are asked for`;
  return waitFor('CSICloneInProgress', 'CSICloneInProgress', message, { type: 'Normal' });
}

export const csiClone: readonly Step[] = [sourceReady, claimed, bound];
