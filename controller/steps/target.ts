import type { DataVolume, Phase } from '../../shared/api/datavolume.ts';
import { annotations } from '../../shared/api/names.ts';
import { keyOf, type PersistentVolumeClaim, type Stored } from '../../shared/api/objects.ts';
import type { ReasonCode } from '../../shared/api/reasons.ts';
import { claims } from '../../shared/kube/resource.ts';
import type { Effect } from '../effects.ts';
import { type Observed, ownClaim, targetRef } from '../observed.ts';
import type { Origin } from '../origin.ts';
import { targetClaim } from './claim.ts';
import { helperPod, helps } from './helper.ts';
import { about, create, hold, isGoing } from './parts.ts';
import { sourceLost } from './source.ts';
import { gate, type Step, type Wait, waitFor } from './step.ts';

/** What a claim is made from and how large, as a route has it. */
export interface Making {
  readonly from: (o: Observed) => Origin | undefined;
  /** Bytes; undefined while nobody knows. */
  readonly size: (o: Observed) => bigint | undefined;
  /** Annotations of a temporary claim. */
  readonly marks?: (o: Observed) => Readonly<Record<string, string>>;
}

/** How the storage's work is told. */
export interface Progress {
  readonly phase: Phase & ReasonCode;
  /** Of the claim that is filled. */
  readonly message: (o: Observed, claim: string) => string;
}

/** The target claim is there. Whatever it is made from: one that has its volume is never made again. */
export function claimed({ from, size }: Making): Step {
  return {
    name: 'claimed',
    guarded: true,
    done: (o) => {
      const own = ownClaim(o);
      return own !== undefined && !isGoing(own);
    },
    waits: (o) => targetTaken(o) ?? sizeUnknown(size(o)),
    effects: (o) => {
      const [source, bytes] = [from(o), size(o)];
      // The steps before this one have seen to all of these.
      if (source === undefined || bytes === undefined || o.choice.by !== 'record') return [];
      const object = targetClaim({ volume: o.volume, target: o.choice.target, size: bytes, from: source });
      return [...hold(o.volume), create(o.volume, claims, object)];
    },
  };
}

function targetTaken(o: Observed): Wait | undefined {
  if (o.claim === undefined) return undefined;
  const target = targetName(o);
  const on = about(claims, o.claim);
  if (ownClaim(o) === undefined) {
    const message = `${target} exists and does not belong to this DataVolume`;
    return waitFor('Pending', 'ErrResourceExists', message, { on });
  }
  const message = `${target} is being deleted; it is made again when it is gone`;
  return waitFor('Pending', 'ErrResourceMarkedForDeletion', message, { on });
}

export function sizeUnknown(size: bigint | undefined): Wait | undefined {
  if (size !== undefined) return undefined;
  const message = 'neither the DataVolume nor its source says how large the volume is to be; ask for a size';
  return waitFor('Pending', 'CloneValidationFailed', message);
}

/**
 * Somebody wants the target where its class waits for that; or, when the user does not want to wait, a pod of ours pretends to.
 * @param phase CDI's, which has two for the same wait.
 */
export function consumed(phase: Phase): Step {
  return {
    name: 'consumed',
    done: (o) => {
      const own = ownClaim(o);
      return !o.bindsLate || own?.spec?.volumeName !== undefined || nodeOf(own) !== undefined;
    },
    waits: (o) => {
      const lost = sourceLost(o);
      if (lost !== undefined) return waitFor(phase, lost.reason, lost.message);
      const own = ownClaim(o);
      if (isImmediate(o.volume) && !helps(o, own)) return undefined;
      const message = `${targetName(o)} is bound when the first pod that uses it is scheduled`;
      return waitFor(phase, 'WaitForFirstConsumer', message, {
        type: 'Normal',
        ...(own === undefined ? {} : { on: about(claims, own) }),
      });
    },
    effects: (o): readonly Effect[] => {
      const own = ownClaim(o);
      return own === undefined ? [] : [helperPod(o, own)];
    },
  };
}

/** Its user does not want to wait for a first consumer. */
export function isImmediate({ metadata }: DataVolume): boolean {
  return metadata.annotations?.[annotations.bindImmediately] !== undefined;
}

/** The node that the scheduler has chosen for the first consumer. */
export function nodeOf(claim: PersistentVolumeClaim | undefined): string | undefined {
  return claim?.metadata.annotations?.[annotations.selectedNode];
}

/** The target claim, filled by the storage itself, has its volume. */
export function bound(progress: Progress): Step {
  return gate('bound', (o) => {
    const claim = ownClaim(o);
    return claim === undefined ? undefined : (claimLost(o, claim) ?? unbound(o, claim, progress));
  });
}

export function claimLost(o: Observed, claim: Stored<PersistentVolumeClaim>): Wait | undefined {
  const { phase = 'Pending' } = claim.status ?? {};
  const on = about(claims, claim);
  if (phase === 'Lost') return waitFor('Failed', 'ErrClaimLost', `${targetName(o)} lost its volume`, { on });
  if (phase === 'Pending' || phase === 'Bound') return undefined;
  return waitFor('Unknown', 'Pending', `${targetName(o)} is in phase ${phase}`, { on });
}

function unbound(o: Observed, claim: Stored<PersistentVolumeClaim>, progress: Progress): Wait | undefined {
  if (claim.status?.phase === 'Bound') return undefined;
  const lost = sourceLost(o);
  const on = about(claims, claim);
  if (lost !== undefined) return waitFor(progress.phase, lost.reason, lost.message, { on });
  const message = progress.message(o, keyOf(targetRef(o.volume)));
  return waitFor(progress.phase, progress.phase, message, { type: 'Normal', on, atWork: true });
}

export function targetName({ volume }: Observed): string {
  return `PersistentVolumeClaim ${keyOf(targetRef(volume))}`;
}
