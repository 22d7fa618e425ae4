import type { CloneSource, DataVolume } from '../shared/api/datavolume.ts';
import type { Strategy } from '../shared/api/names.ts';
import {
  controllerOf,
  keyOf,
  type PersistentVolumeClaim,
  type Stored,
  type VolumeSnapshotContent,
} from '../shared/api/objects.ts';
import type { PolicyFacts } from '../shared/decision/facts.ts';
import { type Standing, standingOf } from '../shared/decision/fallback.ts';
import type { Verification } from './authorize.ts';
import { childrenOf, ofSource } from './belongings.ts';
import { type Children, copyPodsOf, temporaryName } from './children.ts';
import { choose } from './choose.ts';
import { anywhere, type Places } from './copy/places.ts';
import type { CopyPolicy } from './copy/policy.ts';
import { historyOf } from './copy/record.ts';
import { inUseRule } from './in-use.ts';
import type { Choice, Observed, Restore, SourceState } from './observed.ts';
import { type Company, nobody, type Sharing } from './sharing.ts';
import { type Stores, usersOf, writersOf } from './stores.ts';

/** Reads from the stores, at one moment, all that the plan for one DataVolume depends on. No I/O, and nothing is written. */

/** What a pass knows beside the stores. */
export interface Present {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** What the snapshot that is the source is bound to, where its bytes are to be copied. */
  readonly content?: VolumeSnapshotContent | undefined;
  /** Where a pod may copy. */
  readonly places?: Places;
}

/** What the administrator set, as far as the execution depends on it. */
export interface ExecutionPolicy extends PolicyFacts {
  /** Image of the pod that mounts a claim for the sake of mounting it. */
  readonly helperImage: string;
  readonly copy: CopyPolicy;
}

export function observe(
  stores: Stores,
  volume: Stored<DataVolume>,
  stamp: Verification,
  policy: ExecutionPolicy,
  present: Present,
  sharing?: Pick<Sharing, 'companyOf'>,
): Observed {
  const standing = standingOf(volume.metadata.annotations);
  const source = stamp.valid
    ? sourceState(stores, volume, { ...uidIn(standing), ...stamp.source }, standing?.strategy)
    : undefined;
  const claim = stores.claims.get(keyOf(volume.metadata));
  const choice: Choice =
    source === undefined
      ? { by: 'nobody', message: 'without a valid stamp nothing is chosen' }
      : choose(stores, volume, source, policy, standing);
  const { uid, namespace: own = '' } = volume.metadata;
  const children = ofSource(childrenOf(stores, uid, { own, source: source?.ref.namespace }), uid, source?.ref);
  const filled = stores.persistentVolumes.get(children.temporary?.spec?.volumeName ?? '');
  const mounted = mountedOf(stores, [claim, children.temporary]);
  const { helperImage } = policy;
  return {
    volume,
    stamp,
    claim,
    source,
    choice,
    closed: source === undefined ? undefined : stores.closed(source.ref.namespace),
    bindsLate: bindsLate(stores, claim),
    children,
    // Who has a snapshot looks for nobody to take one with.
    company: children.snapshot === undefined ? companyOf(volume, source, choice, sharing) : nobody,
    filled,
    mounted,
    users: usersOfTemporary(stores, uid, source, children),
    helperImage,
    copying: {
      policy: policy.copy,
      history: historyOf(volume),
      places: present.places ?? anywhere,
      restore: restoreOf(stores, present.content),
      restoredLate: bindsLate(stores, children.restored),
    },
    now: present.now,
  };
}

/** As CDI does it (cdi-behaviour 3.4): the first class of the driver, by name. */
function restoreOf({ storageClasses }: Stores, content: VolumeSnapshotContent | undefined): Restore | undefined {
  const { driver, sourceVolumeMode: mode } = content?.spec ?? {};
  if (driver === undefined) return undefined;
  const [storageClass] = storageClasses
    .list()
    .filter(({ provisioner }) => provisioner === driver)
    .toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name));
  return {
    driver,
    volumeMode: mode === 'Block' || mode === 'Filesystem' ? mode : undefined,
    storageClassName: storageClass?.metadata.name,
  };
}

function uidIn(standing: Standing | undefined): { readonly uid?: string } {
  const uid = standing?.record.sourceUid;
  return uid === undefined ? {} : { uid };
}

function companyOf(
  volume: Stored<DataVolume>,
  source: SourceState | undefined,
  choice: Choice,
  sharing: Pick<Sharing, 'companyOf'> | undefined,
): Company {
  if (sharing === undefined || source?.claim === undefined || choice.by !== 'record') return nobody;
  const { snapshotClass } = choice;
  return snapshotClass === undefined ? nobody : sharing.companyOf({ volume, source: source.claim, snapshotClass });
}

function mountedOf(
  stores: Stores,
  claims: readonly (Stored<PersistentVolumeClaim> | undefined)[],
): ReadonlySet<string> {
  const keys = claims.flatMap((claim) => (claim === undefined ? [] : [keyOf(claim.metadata)]));
  return new Set(keys.filter((key) => writersOf(stores, key).length > 0));
}

function usersOfTemporary(
  stores: Stores,
  uid: string,
  source: SourceState | undefined,
  children: Children,
): readonly string[] {
  if (source === undefined) return [];
  const key = keyOf({ namespace: source.ref.namespace, name: temporaryName(uid) });
  const ours = new Set([...children.helpers, ...copyPodsOf(children)].map((pod) => pod.metadata.uid));
  const others = usersOf(stores, key).filter(({ metadata }) => !ours.has(metadata.uid));
  return others.map(({ metadata }) => keyOf(metadata)).toSorted();
}

/** A snapshot: nobody writes to it. */
const untouched = { writers: [], beingFilled: false, inUse: { rule: 'wait' } } as const;

function sourceState(
  stores: Stores,
  volume: DataVolume,
  ref: CloneSource & { readonly uid?: string },
  strategy: Strategy | undefined,
): SourceState {
  const key = keyOf(ref);
  if (ref.kind === 'VolumeSnapshot')
    return { ref, claim: undefined, snapshot: stores.snapshots.get(key), ...untouched };
  const claim = stores.claims.get(key);
  const writers = claim === undefined ? [] : writersOf(stores, key).map(({ metadata }) => keyOf(metadata));
  return {
    ref,
    claim,
    snapshot: undefined,
    writers: writers.toSorted(),
    beingFilled: claim !== undefined && beingFilled(stores, claim),
    inUse: inUseRule(stores, volume, claim, strategy),
  };
}

function beingFilled({ volumes }: Stores, claim: PersistentVolumeClaim): boolean {
  const owner = controllerOf(claim);
  if (owner?.kind !== 'DataVolume') return false;
  const filler = volumes.get(keyOf({ namespace: claim.metadata.namespace ?? '', name: owner.name }));
  return filler !== undefined && filler.metadata.uid === owner.uid && filler.status?.phase !== 'Succeeded';
}

function bindsLate(stores: Stores, claim: PersistentVolumeClaim | undefined): boolean {
  const name = claim?.spec?.storageClassName ?? undefined;
  const storageClass = name === undefined ? undefined : stores.storageClasses.get(name);
  return storageClass?.volumeBindingMode === 'WaitForFirstConsumer';
}
