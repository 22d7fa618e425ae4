import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import type { VolumeSnapshotClass } from '../../../shared/api/objects.ts';
import { QuantityError } from '../../../shared/api/quantity.ts';
import { policyFactsOf } from '../../../shared/decision/facts.ts';
import { type GatherInput, gatherFacts } from '../../../shared/decision/gather.ts';
import { claim, dataVolume, lookup, profile, storageClass } from '../../support/build/storage.ts';

const source = { kind: 'PersistentVolumeClaim' as const, namespace: 'golden', name: 'fedora' };
const driver = 'csi.example.com';
const snapshots = (...names: readonly string[]): VolumeSnapshotClass[] =>
  names.map((name) => ({ metadata: { name }, driver }));

function gathered(changes: Omit<Partial<GatherInput>, 'stores'> & { stores?: Partial<GatherInput['stores']> } = {}) {
  return gatherFacts({
    volume: dataVolume({
      storage: { storageClassName: 'fast', volumeMode: 'Block', resources: { requests: { storage: '10Gi' } } },
    }),
    source,
    sourceClaim: claim(),
    policy: { sameStorageClass: false },
    ...changes,
    stores: {
      storageClasses: lookup(storageClass('fast', { allowVolumeExpansion: true })),
      storageProfiles: lookup(profile('fast', { cloneStrategy: 'csi-clone' })),
      csiDrivers: lookup({ metadata: { name: driver } }),
      volumeSnapshotClasses: lookup(...snapshots('b', 'a')),
      ...changes.stores,
    },
  });
}

const preferred = (stores: Partial<GatherInput['stores']>) => gathered({ stores }).target.storage?.preferred;

describe('gatherFacts', () => {
  it('reads the source claim: state, sizes in bytes, mode, class and driver', () => {
    expect(gathered().source).toEqual({
      ...source,
      state: 'ready',
      contentType: 'kubevirt',
      volumeMode: 'Block',
      requested: 10n << 30n,
      capacity: 10n << 30n,
      storageClass: 'fast',
      provisioner: driver,
    });
  });

  it('knows a claim that is missing, and one that waits for its volume', () => {
    expect(gathered({ sourceClaim: undefined }).source.state).toBe('missing');
    expect(gathered({ sourceClaim: claim({ status: { phase: 'Pending' } }) }).source.state).toBe('unbound');
    expect(gathered({ sourceClaim: claim({ status: { phase: 'Lost' } }) }).source.state).toBe('unbound');
  });

  it('takes no driver for known when the class of the source is gone', () => {
    const { provisioner } = gathered({ sourceClaim: claim({ spec: { storageClassName: 'gone' } }) }).source;
    expect(provisioner).toBeUndefined();
  });

  it('lets the profile speak before the class, the class before the table, the table before the default', () => {
    const annotated = storageClass('fast', {
      annotations: { [annotations.cloneStrategy]: 'copy' },
      provisioner: 'rbd.csi.ceph.com',
    });
    const listed = storageClass('fast', { provisioner: 'rbd.csi.ceph.com' });
    const none = lookup<never>();
    expect(preferred({ storageClasses: lookup(annotated) })?.strategy).toBe('csi-clone');
    expect(preferred({ storageProfiles: none, storageClasses: lookup(annotated) })).toEqual({
      strategy: 'copy',
      by: 'StorageClass fast',
    });
    expect(preferred({ storageProfiles: none, storageClasses: lookup(listed) })?.strategy).toBe('csi-clone');
    expect(preferred({ storageProfiles: none })?.strategy).toBe('snapshot');
    expect(preferred({ storageProfiles: none, volumeSnapshotClasses: none })?.strategy).toBe('copy');
  });

  it('lets the spec of a profile speak before its status, and passes over what is no strategy', () => {
    expect(
      preferred({ storageProfiles: lookup(profile('fast', { cloneStrategy: 'copy' }, { cloneStrategy: 'snapshot' })) })
        ?.strategy,
    ).toBe('copy');
    expect(preferred({ storageProfiles: lookup(profile('fast', {}, { cloneStrategy: 'copy' })) })?.strategy).toBe(
      'copy',
    );
    expect(preferred({ storageProfiles: lookup(profile('fast', { cloneStrategy: 'magic' })) })?.strategy).toBe(
      'snapshot',
    );
  });

  it('takes the snapshot class of both profiles, else the default of the driver, else the first by name', () => {
    const chosen = (stores: Partial<GatherInput['stores']>) => gathered({ stores }).target.storage?.snapshotClass;
    const isDefault = { [annotations.defaultSnapshotClass]: 'true' };
    expect(chosen({})).toBe('a');
    expect(
      chosen({
        volumeSnapshotClasses: lookup(...snapshots('a'), { metadata: { name: 'z', annotations: isDefault }, driver }),
      }),
    ).toBe('z');
    expect(chosen({ storageProfiles: lookup(profile('fast', { snapshotClass: 'b' })) })).toBe('b');
    expect(chosen({ storageProfiles: lookup(profile('fast', { snapshotClass: 'gone' })) })).toBe('a');
    expect(chosen({ volumeSnapshotClasses: lookup({ metadata: { name: 'a' }, driver: 'other' }) })).toBeUndefined();
    expect(chosen({ volumeSnapshotClasses: lookup(...snapshots('a', 'b')) })).toBe('a');
    expect(chosen({ storageProfiles: lookup(profile('fast', {}, { snapshotClass: 'b' })) })).toBe('b');
  });

  it('does not take the snapshot class of the target alone', () => {
    const sourceClaim = claim({ spec: { storageClassName: 'slow' } });
    const storageProfiles = lookup(profile('fast', { snapshotClass: 'b' }));
    expect(gathered({ sourceClaim, stores: { storageProfiles } }).target.storage?.snapshotClass).toBe('a');
  });

  it('knows no snapshot class in a cluster that serves no snapshots', () => {
    const stores: object = { volumeSnapshotClasses: undefined };
    expect(gathered({ stores }).target.storage).toMatchObject({ snapshotAPI: false });
    expect(gathered({ stores }).target.storage).not.toHaveProperty('snapshotClass');
  });

  it.each([
    ['copy, snapshot', ['copy', 'snapshot']],
    ['none', []],
    ['csi-clone,cpoy', ['csi-clone']],
  ])('reads the strategies that a class allows: %s', (list, allowed) => {
    const fast = storageClass('fast', { annotations: { [annotations.allowedStrategies]: list } });
    expect(gathered({ stores: { storageClasses: lookup(fast) } }).target.storage?.allowed).toEqual(allowed);
  });

  it('reads a snapshot: ready or not, its size unless the driver does not know it, its driver by its class', () => {
    const snapshot = { kind: 'VolumeSnapshot' as const, namespace: 'golden', name: 'nightly' };
    const read = (status: object) =>
      gathered({
        source: snapshot,
        sourceSnapshot: { metadata: { name: 'nightly' }, spec: { volumeSnapshotClassName: 'a' }, status },
      }).source;
    expect(read({ readyToUse: true, restoreSize: '1Gi' })).toMatchObject({
      state: 'ready',
      capacity: 1n << 30n,
      provisioner: driver,
    });
    expect(read({ readyToUse: false }).state).toBe('unbound');
    expect(read({ readyToUse: true, restoreSize: '0' }).capacity).toBeUndefined();
    expect(gathered({ source: snapshot }).source.state).toBe('missing');
  });

  it('refuses a size that is no quantity instead of guessing', () => {
    const volume = dataVolume({ storage: { resources: { requests: { storage: 'ten' } } } });
    expect(() => gathered({ volume })).toThrow(QuantityError);
  });

  it.each([
    ['Block', 'Block'],
    ['Filesystem', 'Filesystem'],
    ['Tape', undefined],
  ])('takes the mode %s that CDI notes on a snapshot for %s', (noted, volumeMode) => {
    const metadata = { name: 'daily', namespace: 'golden', annotations: { [annotations.sourceVolumeMode]: noted } };
    const snapshot = { ...source, kind: 'VolumeSnapshot' } as const;
    expect(gathered({ source: snapshot, sourceSnapshot: { metadata } }).source.volumeMode).toBe(volumeMode);
  });

  it('finds a veto on the source and on its namespace, and where the DataVolume names it', () => {
    const veto = { [annotations.clone]: 'deny' };
    const sourceNamespace = { metadata: { name: 'golden', annotations: veto } };
    const byReference = { ...dataVolume(), spec: { sourceRef: { kind: 'DataSource', name: 'x' }, storage: {} } };
    expect(gathered({ sourceClaim: claim({ annotations: veto }), sourceNamespace }).source.veto).toEqual({
      by: 'PersistentVolumeClaim golden/fedora',
      field: 'spec.source.pvc',
    });
    expect(gathered({ sourceNamespace, volume: byReference }).source.veto).toEqual({
      by: 'namespace golden',
      field: 'spec.sourceRef',
    });
    const snapshot = { ...source, kind: 'VolumeSnapshot' } as const;
    const sourceSnapshot = { metadata: { name: 'fedora', annotations: veto } };
    expect(gathered({ source: snapshot, sourceClaim: undefined, sourceSnapshot }).source.veto).toEqual({
      by: 'VolumeSnapshot golden/fedora',
      field: 'spec.source.snapshot',
    });
    expect(gathered().source).not.toHaveProperty('veto');
  });

  it("lets the administrator's override go before all", () => {
    const facts = gathered({ policy: policyFactsOf({ sameStorageClass: false, cloneStrategyOverride: 'copy' }) });
    expect(facts.target.storage?.preferred).toEqual({ strategy: 'copy', by: "the administrator's override" });
    expect(policyFactsOf({ sameStorageClass: true, cloneStrategyOverride: 'none' })).toEqual({
      sameStorageClass: true,
    });
  });
});
