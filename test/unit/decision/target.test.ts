import { describe, expect, it } from 'vitest';
import type { DataVolumeSpec } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import type { StorageClass, StorageProfile } from '../../../shared/api/objects.ts';
import { renderTarget } from '../../../shared/decision/target.ts';
import { dataVolume, lookup, profile, storageClass } from '../../support/build/storage.ts';

function rendered(
  spec: Partial<DataVolumeSpec>,
  classes: readonly StorageClass[] = [],
  profiles: readonly StorageProfile[] = [],
) {
  return renderTarget({
    volume: dataVolume(spec),
    storageClasses: lookup(...classes),
    storageProfiles: lookup(...profiles),
  });
}

const isDefault = { [annotations.defaultClass]: 'true' };
const isVirtDefault = { [annotations.defaultVirtClass]: 'true' };

describe('renderTarget', () => {
  it('takes spec.pvc as it stands', () => {
    const pvc = {
      storageClassName: 'fast',
      accessModes: ['ReadWriteMany'],
      volumeMode: 'Block',
      resources: { requests: { storage: '1Gi' } },
    };
    expect(rendered({ pvc })).toEqual({
      storageClassName: 'fast',
      accessModes: ['ReadWriteMany'],
      volumeMode: 'Block',
      requested: 1n << 30n,
    });
  });

  it('does not let a profile into spec.pvc', () => {
    const block = profile('fast', {}, { claimPropertySets: [{ volumeMode: 'Block', accessModes: ['ReadWriteMany'] }] });
    expect(rendered({ pvc: { storageClassName: 'fast' } }, [], [block])).toMatchObject({
      volumeMode: 'Filesystem',
      accessModes: ['ReadWriteOnce'],
    });
  });

  it('fills spec.storage from the profile, and only what it leaves open', () => {
    const sets = [
      { volumeMode: 'Block', accessModes: ['ReadWriteMany'] },
      { volumeMode: 'Filesystem', accessModes: ['ReadWriteOnce'] },
    ];
    const both = [profile('fast', {}, { claimPropertySets: sets })];
    expect(rendered({ storage: { storageClassName: 'fast' } }, [], both)).toMatchObject(sets[0] ?? {});
    expect(rendered({ storage: { storageClassName: 'fast', volumeMode: 'Filesystem' } }, [], both)).toMatchObject(
      sets[1] ?? {},
    );
    expect(rendered({ storage: { storageClassName: 'fast', accessModes: ['ReadOnlyMany'] } }, [], both)).toMatchObject({
      accessModes: ['ReadOnlyMany'],
    });
  });

  it('gives an archive a filesystem, whatever the profile likes', () => {
    const block = profile('fast', {}, { claimPropertySets: [{ volumeMode: 'Block' }] });
    expect(rendered({ contentType: 'archive', storage: { storageClassName: 'fast' } }, [], [block]).volumeMode).toBe(
      'Filesystem',
    );
  });

  it('leaves the size open when none is given', () => {
    expect(rendered({ storage: {} })).not.toHaveProperty('requested');
  });

  it('knows no class when none is named and there is no default', () => {
    expect(rendered({}, [storageClass('plain')])).not.toHaveProperty('storageClassName');
  });

  it('takes the default for virtual machines before the default of the cluster, for disk images only', () => {
    const classes = [
      storageClass('plain', { annotations: isDefault }),
      storageClass('virt', { annotations: isVirtDefault }),
    ];
    expect(rendered({}, classes).storageClassName).toBe('virt');
    expect(rendered({ contentType: 'archive' }, classes).storageClassName).toBe('plain');
  });

  it('takes the newest of several defaults, then the first by name', () => {
    const old = storageClass('a', { annotations: isDefault, created: '2025-01-01T00:00:00Z' });
    const recent = storageClass('z', { annotations: isDefault, created: '2026-01-01T00:00:00Z' });
    expect(rendered({}, [old, recent]).storageClassName).toBe('z');
    expect(rendered({}, [recent, old]).storageClassName).toBe('z');
    const twin = storageClass('b', { annotations: isDefault });
    expect(rendered({}, [recent, twin]).storageClassName).toBe('b');
    expect(rendered({}, [twin, recent]).storageClassName).toBe('b');
  });

  it('takes a default without a time of creation for the oldest', () => {
    const dated = storageClass('z', { annotations: isDefault });
    const undated = { metadata: { name: 'a', annotations: isDefault }, provisioner: 'csi.example.com' };
    expect(rendered({}, [undated, dated]).storageClassName).toBe('z');
    expect(rendered({}, [dated, undated]).storageClassName).toBe('z');
  });

  it('knows a filesystem for one writer, and nothing else, when nothing is said', () => {
    const { storage: _, ...spec } = dataVolume().spec;
    const volume = { ...dataVolume(), spec };
    expect(renderTarget({ volume, storageClasses: lookup(), storageProfiles: lookup() })).toEqual({
      volumeMode: 'Filesystem',
      accessModes: ['ReadWriteOnce'],
    });
  });

  it('takes what the spec of a profile says where its status says nothing', () => {
    const fromSpec = profile('fast', { claimPropertySets: [{ volumeMode: 'Block', accessModes: ['ReadWriteMany'] }] });
    expect(rendered({ storage: { storageClassName: 'fast' } }, [], [fromSpec])).toMatchObject({
      volumeMode: 'Block',
      accessModes: ['ReadWriteMany'],
    });
  });

  const sized = (storage: string) => ({ storageClassName: 'fast', resources: { requests: { storage } } });
  const filesystem = { volumeMode: 'Filesystem' };
  const least = (size: string) => [
    { metadata: { name: 'fast', annotations: { [annotations.minimumClaimSize]: size } } },
  ];

  it('makes a filesystem larger than the content that spec.storage asks room for, and a device not', () => {
    expect(rendered({ storage: { ...sized('100Mi'), ...filesystem } })).toMatchObject({
      requested: 106n << 20n,
      payload: 100n << 20n,
    });
    const device = rendered({ storage: { ...sized('100Mi'), volumeMode: 'Block' } });
    expect(device.requested).toBe(100n << 20n);
    expect(device).not.toHaveProperty('payload');
    const claim = rendered({ pvc: { ...sized('100Mi'), ...filesystem } });
    expect(claim.requested).toBe(100n << 20n);
    expect(claim).not.toHaveProperty('payload');
  });

  it('raises spec.storage, and not spec.pvc, to the smallest that the storage makes', () => {
    const requested = (spec: Partial<DataVolumeSpec>, size: string) => rendered(spec, [], least(size)).requested;
    expect(requested({ storage: { ...sized('1Gi'), volumeMode: 'Block' } }, '4Gi')).toBe(4n << 30n);
    expect(requested({ storage: { ...sized('8Gi'), volumeMode: 'Block' } }, '4Gi')).toBe(8n << 30n);
    // After the filesystem's share was added.
    expect(requested({ storage: { ...sized('100Mi'), ...filesystem } }, '106Mi')).toBe(106n << 20n);
    expect(requested({ pvc: sized('1Gi') }, '4Gi')).toBe(1n << 30n);
    expect(rendered({ storage: { storageClassName: 'fast' } }, [], least('4Gi'))).toMatchObject({
      smallest: 4n << 30n,
    });
  });

  it('raises nothing to what is no size', () => {
    expect(rendered({ storage: sized('1Gi') }, [], least('lots'))).not.toHaveProperty('smallest');
  });

  it('takes the volume mode that goes with the access mode asked for', () => {
    const sets = [
      { volumeMode: 'Block', accessModes: ['ReadWriteMany'] },
      { volumeMode: 'Filesystem', accessModes: ['ReadWriteOnce', 'ReadOnlyMany'] },
    ];
    const both = [profile('fast', {}, { claimPropertySets: sets })];
    const mode = (...accessModes: string[]) =>
      rendered({ storage: { storageClassName: 'fast', accessModes } }, [], both).volumeMode;
    expect(mode('ReadOnlyMany')).toBe('Filesystem');
    expect(mode('ReadWriteMany')).toBe('Block');
    expect(mode('ReadWriteOncePod')).toBe('Block');
    expect(mode()).toBe('Block');
  });
});
