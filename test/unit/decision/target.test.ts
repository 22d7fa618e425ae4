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
    expect(rendered({}, [recent, storageClass('b', { annotations: isDefault })]).storageClassName).toBe('b');
  });
});
