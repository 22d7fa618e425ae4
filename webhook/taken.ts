import type { DataVolume } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import { controllerOf, type PersistentVolumeClaim } from '../shared/api/objects.ts';
import { claims } from '../shared/kube/resource.ts';
import type { FindParts } from './access.ts';
import { orNothing } from './lookup.ts';
import type { Refusal } from './respond.ts';

/**
 * Whether the claim that the DataVolume is to make exists already (cdi-behaviour 1.4, row 2). Names of claims are known from memory, so
 * that a clone which finds none, nearly every one, costs no request. One that is known is read before anybody is refused for it: it may
 * have been deleted a moment ago, or be meant for this very DataVolume. One made a moment ago is not seen; the controller, which
 * would have to make it, says so then.
 */
export async function targetTaken(
  { known, client }: Pick<FindParts, 'known' | 'client'>,
  volume: DataVolume,
  signal: AbortSignal,
): Promise<Refusal | undefined> {
  const { namespace = '', name = '' } = volume.metadata;
  if (adopts(volume) || !known.hasClaim({ namespace, name })) return undefined;
  const claim = await orNothing(client, claims, { namespace, name }, signal);
  if (claim === undefined || isMeantFor(claim, name)) return undefined;
  return {
    reason: 'TargetExists',
    message:
      `PersistentVolumeClaim ${namespace}/${name} exists already, and the DataVolume would make one of that name; choose another name, ` +
      `delete the claim, or have it taken over (annotation ${annotations.allowClaimAdoption}: "true")`,
    causes: [{ field: 'metadata.name' }],
  };
}

/** As Go reads a truth value, which is how CDI reads the annotation. */
function adopts({ metadata }: DataVolume): boolean {
  return ['1', 't', 'T', 'true', 'True', 'TRUE'].includes(metadata.annotations?.[annotations.allowClaimAdoption] ?? '');
}

function isMeantFor(claim: PersistentVolumeClaim, name: string): boolean {
  return claim.metadata.annotations?.[annotations.populatedFor] === name || controllerOf(claim)?.kind === 'DataVolume';
}
