import type { DataSource } from '../../shared/api/datavolume.ts';
import { isObject } from '../../shared/api/json.ts';
import type { KubeObject, ObjectRef, PersistentVolumeClaim, Stored, VolumeSnapshot } from '../../shared/api/objects.ts';
import type { Client } from '../../shared/kube/client.ts';
import { ApiError } from '../../shared/kube/errors.ts';
import { claims, dataSources, pathOf, type Resource, volumeSnapshots } from '../../shared/kube/resource.ts';
import { has, type Place, type Right, type Source } from './rights.ts';

/** The cluster behind the webhook, in memory: the sources, and an authorizer that goes by the model of rights. */

/** What goes wrong on the way to the API server, for one trial. */
export interface Trouble {
  /** Instead of the authorizer's answer. */
  readonly review?: 'refused' | 'overloaded' | { readonly answer: unknown };
  /** Instead of any object. */
  readonly get?: 'refused' | 'overloaded' | 'forbidden';
}

/** Where a DataSource leads. */
type Way = { readonly pvc: Place } | { readonly snapshot: Place } | { readonly dataSource: Place } | undefined;

const dataSourceWays: Readonly<Record<string, Way>> = {
  'golden/latest': { pvc: { namespace: '', name: 'fedora' } },
  'golden/snappy': { snapshot: { namespace: 'golden', name: 'snap' } },
  'golden/leak': { pvc: { namespace: 'vault', name: 'secret' } },
  'golden/nested': { dataSource: { namespace: 'golden', name: 'latest' } },
  'golden/nested-leak': { dataSource: { namespace: 'golden', name: 'leak' } },
  'golden/closed': { pvc: { namespace: 'locked', name: 'disk' } },
  'golden/empty': undefined,
  'golden/odd': { pvc: { namespace: 'golden', name: '../vault/secret' } },
  'tenant-a/alias': { pvc: { namespace: 'vault', name: 'secret' } },
  'tenant-a/loop': { dataSource: { namespace: 'tenant-a', name: 'loop' } },
};

const claimNames = [
  'golden/fedora',
  'golden/latest-disk',
  'golden/archive',
  'golden/unbound',
  'golden/closed',
  'vault/secret',
  'locked/disk',
  'tenant-a/own',
  'tenant-a/taken',
  'tenant-b/theirs',
];
const snapshotNames = ['golden/snap', 'golden/closed', 'vault/snap'];

/** What is cloned by nobody, whatever rights anybody has. */
const veto = { 'clonegate.io/clone': 'deny' };
const closed = { namespace: 'locked', key: 'golden/closed' };

export class FuzzCluster {
  readonly #objects = new Map<string, Stored<KubeObject>>();
  trouble: Trouble = {};
  /** While set, nothing exists but what has this name (`namespace/name`). Who may do what stays as it is. */
  barrenBut: string | undefined;
  /** Leads elsewhere than it did, while set: somebody moved a DataSource between two calls. */
  moved: { readonly from: string; readonly to: string } | undefined;
  /** Questions that were put to the authorizer so far. */
  questions = 0;

  constructor() {
    for (const key of claimNames) this.#put(claims, claimOf(key));
    for (const key of snapshotNames) this.#put(volumeSnapshots, snapshotOf(key));
    for (const [key, way] of Object.entries(dataSourceWays)) this.#put(dataSources, dataSourceOf(key, way));
  }

  /** What the DataSource leads to now, following one DataSource more as CDI does; `undefined` when to nothing. */
  sourceBehind(ref: Place): Source | undefined {
    const way = this.#way(ref);
    if (way === undefined || !('dataSource' in way)) return sourceAt(way, ref);
    const next = { ...way.dataSource, namespace: way.dataSource.namespace || ref.namespace };
    const second = this.#way(next);
    return second === undefined || 'dataSource' in second ? undefined : sourceAt(second, next);
  }

  #way(ref: Place): Way {
    const led = this.#led(keyOf(ref));
    return Object.hasOwn(dataSourceWays, led) ? dataSourceWays[led] : undefined;
  }

  #led(key: string): string {
    return this.moved?.from === key ? this.moved.to : key;
  }

  /** Whether whoever is in charge of the source lets nobody clone it. */
  isClosed({ namespace, name }: Place): boolean {
    return namespace === closed.namespace || keyOf({ namespace, name }) === closed.key;
  }

  /** What a webhook would have of the object in its memory. */
  peek<T extends KubeObject>(kind: Resource<T>, { namespace = '', name }: ObjectRef): Stored<T> | undefined {
    const asked = keyOf({ namespace, name });
    const [space = '', ...rest] = (kind.plural === dataSources.plural ? this.#led(asked) : asked).split('/');
    const isHidden = this.barrenBut !== undefined && this.barrenBut !== asked;
    return isHidden
      ? undefined
      : (this.#objects.get(pathOf(kind, { namespace: space, name: rest.join('/') })) as Stored<T> | undefined);
  }

  namespace(name: string): KubeObject | undefined {
    const annotations = name === closed.namespace ? { annotations: veto } : {};
    return this.barrenBut === undefined ? { metadata: { name, ...annotations } } : undefined;
  }

  /** What it cannot do, the webhook has no business to do; asking for it ends in an error that looks like no answer of an API server. */
  client(): Client {
    const never = (what: string) => (): never => {
      throw new TypeError(`the webhook called ${what}`);
    };
    return {
      get: async <T extends KubeObject>(kind: Resource<T>, ref: ObjectRef) => await this.#get(kind, ref),
      review: async <T extends KubeObject>(_: Resource<T>, object: T) => await this.#review(object),
      // Events: taken and forgotten, as if another server kept them.
      create: async <T extends KubeObject>(_: Resource<T>, object: T) => stored(object),
      mergePatch: async (_, ref, patch) => stored({ ...patch, metadata: { name: ref.name } }) as never,
      pages: never('pages'),
      apply: never('apply'),
      remove: never('remove'),
      podLog: never('podLog'),
    };
  }

  async #get<T extends KubeObject>(kind: Resource<T>, ref: ObjectRef): Promise<Stored<T>> {
    const { get } = this.trouble;
    if (get !== undefined) throw failures[get]();
    const found = this.peek(kind, ref);
    if (found !== undefined) return found;
    throw new ApiError(`${kind.plural} ${ref.name} not found`, { code: 404, reason: 'NotFound' });
  }

  async #review<T extends KubeObject>(object: T): Promise<T> {
    this.questions += 1;
    const { review } = this.trouble;
    if (typeof review === 'object') return review.answer as T;
    if (review !== undefined) throw failures[review]();
    return { ...object, status: { allowed: isAllowed(object) } };
  }

  #put(kind: Resource<KubeObject>, object: KubeObject): void {
    this.#objects.set(pathOf(kind, object.metadata), frozen(stored(object)));
  }
}

const failures = {
  refused: () => new ApiError('connection refused', { code: 0, reason: 'Unreachable' }),
  overloaded: () => new ApiError('too many requests', { code: 429, reason: 'TooManyRequests' }),
  forbidden: () => new ApiError('forbidden', { code: 403, reason: 'Forbidden' }),
};

/** As the API server's authorizers would: only the very questions that there are rights for can have a yes. */
function isAllowed(review: object): boolean {
  const spec = 'spec' in review && isObject(review.spec) ? review.spec : {};
  const { resourceAttributes: asked, user, uid, groups, extra } = spec;
  if (!isObject(asked) || asked['verb'] !== 'create') return false;
  const right = rightOf(asked);
  const { namespace, name } = asked;
  // An empty name asks for all names, and an empty namespace for all namespaces: nobody but an administrator has these.
  if (right === undefined || typeof namespace !== 'string' || typeof name !== 'string') return false;
  return has({ username: user, uid, groups, extra }, right, { namespace, name });
}

function rightOf({ group = '', resource, subresource = '' }: Readonly<Record<string, unknown>>): Right | undefined {
  if (group === 'cdi.kubevirt.io' && resource === 'datavolumes' && subresource === 'source')
    return 'datavolumes/source';
  if (group !== '' || subresource !== '') return undefined;
  return resource === 'pods' || resource === 'persistentvolumeclaims' ? resource : undefined;
}

function sourceAt(way: Way, from: Place): Source | undefined {
  if (way === undefined || 'dataSource' in way) return undefined;
  const [kind, place] = 'pvc' in way ? (['pvc', way.pvc] as const) : (['snapshot', way.snapshot] as const);
  // A name with a slash is no object's name, so that way leads nowhere.
  if (place.name.includes('/')) return undefined;
  return { kind, name: place.name, namespace: place.namespace || from.namespace };
}

export function keyOf({ namespace, name }: Place): string {
  return `${namespace}/${name}`;
}

function placeOf(key: string): Place {
  const [namespace = '', name = ''] = key.split('/');
  return { namespace, name };
}

/** Shared by all trials, so that whoever writes into it is found out. */
function frozen<T extends object>(object: T): T {
  for (const value of Object.values(object)) if (isObject(value)) frozen(value);
  return Object.freeze(object);
}

function stored<T extends KubeObject>(object: T): Stored<T> {
  const { metadata } = object;
  const uid = `uid-of-${metadata.namespace ?? ''}-${metadata.name ?? ''}`;
  return { ...object, metadata: { uid, resourceVersion: '1', ...metadata } } as Stored<T>;
}

function claimOf(key: string): PersistentVolumeClaim {
  const archive = { 'cdi.kubevirt.io/storage.contentType': 'archive' };
  return {
    metadata: {
      ...placeOf(key),
      annotations: { ...(key === 'golden/archive' ? archive : {}), ...(key === closed.key ? veto : {}) },
    },
    spec: {
      storageClassName: key === 'tenant-b/theirs' ? 'slow' : 'fast',
      volumeMode: 'Block',
      resources: { requests: { storage: '10Gi' } },
    },
    status: key === 'golden/unbound' ? { phase: 'Pending' } : { phase: 'Bound', capacity: { storage: '10Gi' } },
  };
}

function snapshotOf(key: string): VolumeSnapshot {
  return {
    metadata: { ...placeOf(key), annotations: key === closed.key ? veto : {} },
    spec: { volumeSnapshotClassName: 'fast-snapshots' },
    status: { readyToUse: true, restoreSize: '10Gi' },
  };
}

function dataSourceOf(key: string, way: Way): DataSource {
  return { metadata: placeOf(key), spec: { source: way ?? {} } };
}
