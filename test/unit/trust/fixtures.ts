import type { CloneSource, DataVolume } from '../../../shared/api/datavolume.ts';
import type { ObjectMeta } from '../../../shared/api/objects.ts';
import { generateStampKeys, loadSigner, loadVerifier, type StampKeyFiles } from '../../../shared/trust/keys.ts';
import type { StampClaims } from '../../../shared/trust/stamp.ts';

export const source: CloneSource = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' };

export const issuedAt = 1_700_000_000;

export const claims: StampClaims = {
  source: { ...source, uid: 'c0ffee00-0000-4000-8000-000000000001' },
  target: { namespace: 'tenant-a', name: 'disk' },
  user: 'jane@example.com',
  rule: 'datavolumes/source',
  identity: {
    uid: 'uid-of-jane',
    groups: ['system:authenticated', 'team-storage'],
    extra: { 'example.com/clearance': ['secret-project'] },
  },
  requestUid: '7f8a3b62-0000-4000-8000-000000000002',
  issuedAt,
};

/** The DataVolume as it is stored `later` seconds after the stamp was made. */
export function volume(metadata: ObjectMeta = {}, later = 0): DataVolume {
  return {
    metadata: {
      namespace: 'tenant-a',
      name: 'disk',
      creationTimestamp: new Date((issuedAt + later) * 1000).toISOString(),
      ...metadata,
    },
    spec: { source: { pvc: { namespace: 'golden', name: 'fedora' } } },
  };
}

/** The parties to a stamp, with keys of their own. */
export async function parties(keys?: StampKeyFiles) {
  const files = keys ?? (await generateStampKeys());
  return {
    files,
    /** The mutating webhook. */
    signer: await loadSigner(files),
    /** The controller, which may open the identity. */
    controller: await loadVerifier(files),
    /** The validating webhook, which may not. */
    webhook: await loadVerifier({ stampPublicKeys: files.stampPublicKeys }),
  };
}
