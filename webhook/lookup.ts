import type { CloneSource } from '../shared/api/datavolume.ts';
import type { KubeObject, ObjectRef, PersistentVolumeClaim, Stored, VolumeSnapshot } from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import { getIfExists } from '../shared/kube/get.ts';
import { claims, type Resource, volumeSnapshots } from '../shared/kube/resource.ts';

/** The source as it is now; both undefined when it does not exist. */
export interface Found {
  readonly sourceClaim?: Stored<PersistentVolumeClaim> | undefined;
  readonly sourceSnapshot?: Stored<VolumeSnapshot> | undefined;
}

/**
 * Reads the source live: a store could miss one that was made a moment ago, and keeping all claims of a cluster in memory for this one
 * question is not worth it. @throws ApiError when it could not be read.
 */
export async function readSource(
  client: Pick<Client, 'get'>,
  source: CloneSource,
  signal: AbortSignal,
): Promise<Found> {
  return source.kind === 'VolumeSnapshot'
    ? { sourceSnapshot: await orNothing(client, volumeSnapshots, source, signal) }
    : { sourceClaim: await orNothing(client, claims, source, signal) };
}

/** Milliseconds; the API server waits as long for a webhook unless told otherwise. What nobody waits for any more must not hold a connection. */
const deadline = 10_000;

/** Undefined when it does not exist. @throws ApiError when it could not be read. */
export async function orNothing<T extends KubeObject>(
  client: Pick<Client, 'get'>,
  kind: Resource<T>,
  { namespace, name }: Required<ObjectRef>,
  signal: AbortSignal,
): Promise<Stored<T> | undefined> {
  return await getIfExists(client, kind, { namespace, name }, { signal, deadline });
}
