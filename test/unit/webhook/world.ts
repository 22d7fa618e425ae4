import { apply_patch } from 'jsonpatch';
import type { AdmissionResponse, UserInfo } from '../../../shared/api/admission.ts';
import type { CloneSource, DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import type { KubeObject, LimitRange, ObjectRef, ResourceQuota, Stored } from '../../../shared/api/objects.ts';
import { claims, dataSources, namespaces as namespaceKind, type Resource } from '../../../shared/kube/resource.ts';
import { createServed } from '../../../shared/kube/served.ts';
import { generateStampKeys, loadSigner, loadVerifier } from '../../../shared/trust/keys.ts';
import type { Ask } from '../../../webhook/access.ts';
import { createAdvise } from '../../../webhook/advice.ts';
import type { Known } from '../../../webhook/known.ts';
import { createMutate } from '../../../webhook/mutate.ts';
import { parseReview } from '../../../webhook/review.ts';
import type { Handler, Ruling } from '../../../webhook/ruling.ts';
import { createValidate } from '../../../webhook/validate.ts';
import { claim, dataVolume, lookup, profile, storageClass } from '../../support/build/storage.ts';
import { FakeClock } from '../../support/clock.ts';
import { MemoryApi } from '../../support/memory-client.ts';

/** Both webhooks over objects in memory, with an authorizer that says what the test wants, called as an API server would. */

export const jane: UserInfo = {
  username: 'jane',
  uid: 'uid-of-jane',
  groups: ['system:authenticated', 'tenants'],
  extra: { 'example.com/clearance': ['secret'] },
};
export const controllerUser = 'system:serviceaccount:clonegate-system:clonegate-controller';

type Answer = 'yes' | 'no' | Error | ((user: UserInfo, source: CloneSource) => boolean);

export interface World {
  readonly clock: FakeClock;
  readonly api: MemoryApi;
  readonly mutate: Handler;
  readonly validate: Handler;
  /** The questions put to the authorizer so far. */
  readonly asked: { readonly user: UserInfo; readonly source: CloneSource }[];
  /** What the authorizer says from now on. */
  answer: Answer;
  /** Kinds that the webhook's memory is behind with: what there is of them it has not heard of yet. */
  unseen: readonly Resource<KubeObject>[];
  /** The webhook's memory knows of claims that are gone by now. */
  haunted: boolean;
  /** What reads of the API server end in from now on; undefined: in what is there. */
  trouble: Error | undefined;
  /** Names of the pods that write to `namespace/claim`. */
  readonly writers: Map<string, readonly string[]>;
  readonly quotas: ResourceQuota[];
  readonly limits: LimitRange[];
  /** Puts an object into the cluster; gives its uid. */
  put<T extends KubeObject>(kind: Resource<T>, object: T): Promise<string>;
}

const keys = await generateStampKeys();
const signer = await loadSigner(keys);
const verifier = await loadVerifier({ stampPublicKeys: keys.stampPublicKeys });
/** The controller's, which reads the identity in a stamp as well. */
export const controllerVerifier = await loadVerifier(keys);

interface WorldOptions {
  /** Of the class `fast`. */
  readonly volumeBindingMode?: string;
  readonly refuseOverQuota?: boolean;
  /** Those that are served; default all. */
  readonly namespaces?: readonly string[];
}

/** A world with the class `fast`, which clones by CSI, and nothing else; the authorizer says yes. */
export function newWorld({
  volumeBindingMode = 'Immediate',
  refuseOverQuota = false,
  namespaces = [],
}: WorldOptions = {}): World {
  const api = new MemoryApi();
  const client = api.client(({ verb }) => {
    if (verb === 'get' && world.trouble !== undefined) throw world.trouble;
  });
  const clock = new FakeClock();
  const asked: World['asked'] = [];
  const ask: Ask = async ({ user, source }) => {
    asked.push({ user, source });
    const { answer } = world;
    if (answer instanceof Error) throw answer;
    const yes = typeof answer === 'function' ? answer(user, source) : answer === 'yes';
    return yes ? { allowed: true, rule: 'datavolumes/source' } : { allowed: false };
  };
  const find = <T extends KubeObject>(kind: Resource<T>, ref: ObjectRef): Stored<T> | undefined => {
    try {
      return world.unseen.includes(kind) ? undefined : api.read(kind, ref);
    } catch {
      return undefined;
    }
  };
  const known: Known = {
    dataSource: (ref) => find(dataSources, ref),
    namespace: (name) => find(namespaceKind, { name }),
    hasClaim: (ref) => world.haunted || find(claims, ref) !== undefined,
  };
  const storage = () => ({
    storageClasses: lookup(storageClass('fast', { allowVolumeExpansion: true, volumeBindingMode })),
    storageProfiles: lookup(profile('fast', { cloneStrategy: 'csi-clone' })),
    csiDrivers: lookup({ metadata: { name: 'csi.example.com' } }),
  });
  const inNamespace = (namespace: string) => (object: KubeObject) => object.metadata.namespace === namespace;
  const surroundings = {
    writersOf: (namespace: string, name: string) => world.writers.get(`${namespace}/${name}`) ?? [],
    quotasOf: (namespace: string) => world.quotas.filter(inNamespace(namespace)),
    limitsOf: (namespace: string) => world.limits.filter(inNamespace(namespace)),
  };
  const advise = createAdvise({ storage, surroundings, refuseOverQuota, log: { warn: () => undefined } });
  const parts = {
    ask,
    client,
    known,
    served: createServed(namespaces),
    signer,
    verifier,
    clock,
    storage,
    policy: { sameStorageClass: false },
    advise,
    controllerUser,
  };
  const world: World = {
    clock,
    api,
    asked,
    answer: 'yes',
    unseen: [],
    haunted: false,
    trouble: undefined,
    writers: new Map(),
    quotas: [],
    limits: [],
    mutate: createMutate(parts),
    validate: createValidate(parts),
    put: async (kind, object) => (await client.create(kind, object)).metadata.uid,
  };
  return world;
}

/** A world with the claim golden/fedora (10Gi, Block, class `fast`). */
export async function worldWithSource(options?: WorldOptions): Promise<World> {
  const world = newWorld(options);
  await world.put(claims, claim());
  return world;
}

/** A DataSource golden/latest that names `pvc`. */
export async function putDataSource(world: World, pvc: { namespace?: string; name: string }): Promise<void> {
  const spec = { source: { pvc: { namespace: pvc.namespace ?? '', name: pvc.name } } };
  await world.put(dataSources, { metadata: { namespace: 'golden', name: 'latest' }, spec });
}

/** What a user sends to clone golden/fedora into tenant-a/disk. */
export function cloneOf(spec: Partial<DataVolume['spec']> = {}, metadata: DataVolume['metadata'] = {}): DataVolume {
  const volume = dataVolume({
    storage: { storageClassName: 'fast', volumeMode: 'Block', resources: { requests: { storage: '10Gi' } } },
    ...spec,
  });
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    ...volume,
    metadata: { ...volume.metadata, ...metadata },
  };
}

export const viaDataSource = { sourceRef: { kind: 'DataSource', namespace: 'golden', name: 'latest' } };

/** The DataVolume with a sourceRef instead of a source. */
export function cloneByReference(sourceRef = viaDataSource.sourceRef): DataVolume {
  const { source: _, ...spec } = cloneOf().spec;
  return { ...cloneOf(), spec: { ...spec, sourceRef } };
}

interface ReviewChanges {
  readonly uid?: string;
  readonly user?: UserInfo;
  readonly dryRun?: boolean;
}

/** The body that the API server sends for a CREATE. */
export function createReview(object: unknown, { uid = 'request-1', user = jane, dryRun = false }: ReviewChanges = {}) {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      operation: 'CREATE',
      resource: { group: 'cdi.kubevirt.io', version: 'v1beta1', resource: 'datavolumes' },
      name: '',
      namespace: 'tenant-a',
      userInfo: user,
      dryRun,
      object,
    },
  };
}

/** The body for an UPDATE. */
export function updateReview(oldObject: unknown, object: unknown, changes: ReviewChanges = {}) {
  const review = createReview(object, changes);
  return { ...review, request: { ...review.request, operation: 'UPDATE', oldObject } };
}

/** What the server does with a body, without its deadline. */
export async function call(handler: Handler, body: unknown): Promise<Ruling> {
  const review = parseReview(body);
  try {
    return await handler.rule(review, new AbortController().signal);
  } catch (error) {
    return handler.fail(review, error);
  }
}

export function operationsOf({ patch }: AdmissionResponse): readonly { op: string; path: string; value?: unknown }[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return patch === undefined ? [] : (JSON.parse(Buffer.from(patch, 'base64').toString()) as []);
}

/** The object with the answer's patch applied, by somebody else's library. */
export function patchedBy<T>(object: T, response: AdmissionResponse): T {
  return apply_patch(object, [...operationsOf(response)]);
}

/** What the API server makes of an object between the mutating and the validating webhooks. */
export function completed(world: World, volume: DataVolume): DataVolume {
  const { generateName, name = `${generateName ?? ''}x7k2p` } = volume.metadata;
  const creationTimestamp = new Date(world.clock.now()).toISOString();
  return { ...volume, metadata: { ...volume.metadata, name, uid: 'volume-uid', creationTimestamp } };
}

export interface Admitted {
  /** As it left the mutating webhook. */
  readonly mutated: DataVolume;
  /** As the validating webhook saw it. */
  readonly stored: DataVolume;
  /** The validating webhook's. */
  readonly ruling: Ruling;
}

/** A whole CREATE: mutate, whatever another webhook does, validate. */
export async function admit(
  world: World,
  volume: DataVolume,
  between: (mutated: DataVolume) => DataVolume = (mutated) => mutated,
  changes: ReviewChanges = {},
): Promise<Admitted> {
  const { response } = await call(world.mutate, createReview(volume, { uid: 'mutating', ...changes }));
  const mutated = patchedBy(volume, response);
  const stored = completed(world, between(mutated));
  const ruling = await call(world.validate, createReview(stored, { uid: 'validating', ...changes }));
  return { mutated, stored, ruling };
}

export function annotate(volume: DataVolume, changes: Record<string, string>): DataVolume {
  return {
    ...volume,
    metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...changes } },
  };
}

export const decisionOf = ({ metadata }: DataVolume): unknown => {
  const text = metadata.annotations?.[annotations.decision];
  return text === undefined ? undefined : JSON.parse(text);
};
