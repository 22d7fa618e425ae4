import type { KubeObject, ObjectRef, Stored } from '../api/objects.ts';
import type { CallOptions, Client } from './client.ts';
import { isNotFound } from './errors.ts';
import type { Resource } from './resource.ts';

/** Reads an object that need not exist. @returns undefined when it does not. @throws ApiError when that could not be found out. */
export async function getIfExists<T extends KubeObject>(
  client: Pick<Client, 'get'>,
  kind: Resource<T>,
  ref: ObjectRef,
  options?: CallOptions,
): Promise<Stored<T> | undefined> {
  try {
    return await client.get(kind, ref, options);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
