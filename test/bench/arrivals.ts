import type { KubeObject, Stored } from '../../shared/api/objects.ts';
import type { Client, Watcher } from '../../shared/kube/client.ts';
import type { Resource } from '../../shared/kube/resource.ts';

/** When objects became what they were to become, as told by a watch: to the millisecond, and without asking again and again. */

export interface Expected<T extends KubeObject> {
  readonly kind: Resource<T>;
  readonly namespace: string;
  readonly count: number;
  readonly isThere: (object: Stored<T>) => boolean;
  readonly signal: AbortSignal;
  /** Told once of each object that is there; what it throws ends the waiting. */
  readonly follow?: (object: Stored<T>) => Promise<unknown>;
}

/**
 * Looks at objects that are made from now on.
 * @returns once it looks. `all` are the times (`performance.now()`) in the order of arrival.
 * @throws Error by `all` when the watch ends before everything is there.
 */
export async function arrivalsOf<T extends KubeObject>(
  client: Pick<Client, 'pages'> & Watcher,
  expected: Expected<T>,
): Promise<{ readonly all: Promise<readonly number[]> }> {
  const { kind, namespace, signal } = expected;
  let version = '';
  for await (const { resourceVersion } of client.pages(kind, { namespace, signal })) version = resourceVersion;
  const all = collect(client, expected, version);
  // Whoever waits for it is told; nobody may wait for it yet.
  all.catch(() => undefined);
  return { all };
}

async function collect<T extends KubeObject>(
  client: Watcher,
  { kind, namespace, count, isThere, signal, follow }: Expected<T>,
  resourceVersion: string,
): Promise<readonly number[]> {
  const times = new Map<string, number>();
  if (count === 0) return [];
  const followed: Promise<unknown>[] = [];
  for await (const event of client.watch(kind, { namespace, resourceVersion, signal })) {
    if (event.type === 'ERROR') throw event.error;
    if (event.type === 'BOOKMARK' || event.type === 'DELETED') continue;
    const { uid } = event.object.metadata;
    if (times.has(uid) || !isThere(event.object)) continue;
    times.set(uid, performance.now());
    if (follow !== undefined) followed.push(follow(event.object));
    if (times.size === count) break;
  }
  if (times.size < count) throw new Error(`the watch of ${kind.plural} ended with ${times.size} of ${count} there`);
  await Promise.all(followed);
  return [...times.values()];
}
