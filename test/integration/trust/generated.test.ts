import { afterAll, expect, test } from 'vitest';
import type { ObjectMeta } from '../../../shared/api/objects.ts';
import { matchStamp } from '../../../shared/trust/stamp.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';

const cluster = sharedCluster();
afterAll(async () => {
  await cluster.close();
});

const source = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' } as const;

/** What the API server makes of a generateName; nothing is stored. */
async function generate(generateName: string): Promise<ObjectMeta> {
  const path = '/api/v1/namespaces/default/configmaps?dryRun=All';
  return (await cluster.api.post<{ metadata: ObjectMeta }>(path, { metadata: { generateName } })).metadata;
}

test.each(['a', 'disk-', 'd'.repeat(58), 'd'.repeat(59), 'd'.repeat(200)])(
  'a stamp for generateName %s belongs to the name that the API server makes of it, and not to a name of another',
  async (generateName) => {
    const metadata = await generate(generateName);
    const issuedAt = Date.parse(metadata.creationTimestamp ?? '') / 1000;
    const stamp = { source, issuedAt, target: { namespace: 'default', generateName } };
    const spec = { source: { pvc: { namespace: 'golden', name: 'fedora' } } };
    expect(matchStamp(stamp, { metadata, spec }, source)).toBeUndefined();
    const named = { ...metadata, name: `${metadata.name}x` };
    expect(matchStamp(stamp, { metadata: named, spec }, source)?.reason).toBe('StampMismatch');
  },
);
