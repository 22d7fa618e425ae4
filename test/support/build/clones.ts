import { randomUUID } from 'node:crypto';
import type { CloneSource, DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, type Strategy } from '../../../shared/api/names.ts';
import type { ClaimSpec } from '../../../shared/api/objects.ts';
import type { Candidate } from '../../../shared/decision/decide.ts';
import { encodeRecord } from '../../../shared/decision/record.ts';
import { loadSigner, type StampKeyFiles } from '../../../shared/trust/keys.ts';
import { digestOf, type StampClaims, signStamp } from '../../../shared/trust/stamp.ts';

/** DataVolumes as they lie in the cluster after admission, for tests of what comes after it. */

export interface CloneOptions {
  readonly namespace: string;
  readonly name: string;
  /** Name of a claim in the same namespace, or any source. */
  readonly source: string | CloneSource;
  /** What admission saw of the source; absent when it did not exist. */
  readonly sourceUid?: string;
  readonly claim?: ClaimSpec;
  /** `null` when admission put the decision off. */
  readonly strategy?: Strategy | null;
  /** What admission found of all strategies, the chosen one first; in place of `strategy`. */
  readonly candidates?: readonly [Candidate, ...Candidate[]];
  readonly user?: string;
  readonly userUid?: string;
  readonly groups?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch at which it was stamped. */
  readonly now?: number;
}

/** As the user sent it: without any annotation of ours. */
export function plainClone(options: CloneOptions): DataVolume {
  const { namespace, name, labels } = options;
  const source = sourceOf(options);
  const ref = { namespace: source.namespace, name: source.name };
  return {
    apiVersion: 'cdi.kubevirt.io/v1beta1',
    kind: 'DataVolume',
    metadata: { namespace, name, ...(labels === undefined ? {} : { labels }) },
    spec: {
      source: source.kind === 'VolumeSnapshot' ? { snapshot: ref } : { pvc: ref },
      pvc: { accessModes: ['ReadWriteOnce'], ...options.claim },
    },
  };
}

/** With stamp and decision. */
export async function stampedClone(keys: StampKeyFiles, options: CloneOptions): Promise<DataVolume> {
  const volume = plainClone(options);
  const decided = decisionOf(options);
  const stamp = await signStamp(await loadSigner(keys), claimsOf(options, decided));
  return {
    ...volume,
    metadata: { ...volume.metadata, annotations: { ...decided, [annotations.stamp]: stamp } },
  };
}

function sourceOf({ namespace, source }: CloneOptions): CloneSource {
  return typeof source === 'string' ? { kind: 'PersistentVolumeClaim', namespace, name: source } : source;
}

function decisionOf({ strategy, candidates }: CloneOptions): Readonly<Record<string, string>> {
  const id = randomUUID();
  if (strategy === null) {
    const deferred = { outcome: 'deferred', reason: 'SourceNotFound', message: 'not there yet' } as const;
    return { [annotations.decision]: encodeRecord(deferred, { id }) };
  }
  const found = candidates ?? [
    { strategy: strategy ?? 'csi-clone', reason: 'Preferred', message: 'a test asks for it' },
  ];
  const [chosen] = found;
  const record = encodeRecord({ outcome: 'chosen', strategy: chosen.strategy, candidates: found }, { id });
  return { [annotations.cloneType]: chosen.strategy, [annotations.decision]: record };
}

function claimsOf(options: CloneOptions, decided: Readonly<Record<string, string>>): StampClaims {
  const { namespace, name, sourceUid, user = 'tenant-a', groups = ['tenants'], now = Date.now() } = options;
  return {
    source: { ...sourceOf(options), ...(sourceUid === undefined ? {} : { uid: sourceUid }) },
    target: { namespace, name },
    user,
    rule: 'datavolumes/source',
    identity: { uid: options.userUid, groups: [...groups, 'system:authenticated'], extra: {} },
    requestUid: randomUUID(),
    issuedAt: Math.floor(now / 1000),
    ...(decided[annotations.cloneType] === undefined ? {} : { decisionDigest: digestOf(decided) }),
  };
}
