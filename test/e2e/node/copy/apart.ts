import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { annotations, labels } from '../../../../shared/api/names.ts';
import type { NetworkPolicy } from '../../../../shared/api/network-policy.ts';
import type { KubeObject, Secret, Stored } from '../../../../shared/api/objects.ts';
import type { Pod } from '../../../../shared/api/pod.ts';
import { createClaim } from '../../../support/claims.ts';
import { until } from '../../../support/cluster/index.ts';
import { controllerUser, type Tenant } from '../../controller/tenant.ts';
import { leftIn, order, readImage, type Stage, say, slowly, slowlyCopyingIn, succeeds, writeImage } from './stage.ts';

/** What is empty does not come back. */
type Policy = KubeObject & { readonly spec: Partial<NetworkPolicy['spec']> };

/**
 * Copies from a driver that only the second node has to one that only the first has: two pods on two nodes, and between them the network of
 * the nodes. Of policies it is only seen what they say: the CNI plugin of these nodes carries none out.
 */
export function describeApart(stageOf: () => Stage): void {
  describe('between volumes that no node reaches both', () => {
    let stage: Stage;
    let golden: Tenant;
    let tenant: Tenant;
    let sum: string;
    const near = { storageClassName: 'near', storage: '32Mi' } as const;

    beforeAll(async () => {
      stage = stageOf();
      [golden, tenant] = await Promise.all([stage.tenant('afar'), stage.tenant('here')]);
      sum = await writeImage(stage, golden.namespace, 'disk', 'Block', { storageClassName: 'far' });
    });

    const all = async <T extends KubeObject>(plural: string, group = '/api/v1'): Promise<readonly Stored<T>[]> => {
      const path = `${group}/namespaces/${golden.namespace}/${plural}`;
      return (await stage.cluster.api.get<{ items: Stored<T>[] }>(path)).items;
    };
    const policies = async () => all<Policy>('networkpolicies', '/apis/networking.k8s.io/v1');
    const keys = async () => {
      const secrets = await all<Secret>('secrets');
      return secrets.filter(({ metadata }) => metadata.name.startsWith('clonegate-'));
    };
    const pods = async () =>
      new Map((await all<Pod>('pods')).map((pod) => [pod.metadata.labels?.[labels.copyRole], pod]));

    test('a disk image is copied into both modes, and verified, and its user is told how', async () => {
      const notes = { [annotations.verify]: 'true' };
      await order(stage, tenant, { name: 'block', from: golden, source: 'disk', mode: 'Block', notes, ...near });
      await order(stage, tenant, { name: 'file', from: golden, source: 'disk', notes, ...near });
      for (const name of ['block', 'file']) {
        const { metadata, status } = await succeeds(tenant, name);
        expect(status?.progress).toBe('100.0%');
        expect(status).not.toHaveProperty('restartCount');
        expect(metadata.annotations?.[annotations.digest]).toBe(`sha256:${sum.split(' ')[0]}`);
        const events = await tenant.events(name, 'CloneSucceeded');
        const told = events.find(({ reason }) => reason === 'CopyOverNetwork');
        expect(told).toMatchObject({ type: 'Normal' });
        expect(told?.note).toContain("2 node(s) didn't match PersistentVolume's node affinity");
      }
      expect((await readImage(stage, tenant.namespace, 'block', 'Block')).sum).toBe(sum);
      expect(await readImage(stage, tenant.namespace, 'file', 'Filesystem')).toMatchObject({
        sum,
        file: expect.stringMatching(/^107:107 660 /),
      });
    });

    test('a tree is copied with all that belongs to it', async () => {
      const list = `cd /data; find . -path ./lost+found -prune -o -exec stat -c '%n %F %u:%g %a %h %Y' {} + | sort; find . -type f | sort | xargs sha256sum; readlink link`;
      await createClaim(stage.cluster, golden.namespace, 'tree', { storageClassName: 'far' });
      await golden.kubectl('annotate', 'persistentvolumeclaim', 'tree', `${annotations.contentType}=archive`);
      const script = `
        cd /data; mkdir -p a/b; echo one > a/one; ln a/one a/b/two; ln -s ../../etc/passwd link
        dd if=/dev/urandom of=a/data bs=1k count=100 2>/dev/null; truncate -s 4M a/data
        chown 1000:2000 a/one a/b; chmod 4750 a/one; chmod 1777 a/b; touch -d '2001-02-03 04:05:06' a/data a/b
        ${list}`;
      const before = await say(stage.cluster, golden.namespace, { name: 'plants', script, claims: { tree: '/data' } });
      const spec = { contentType: 'archive' } as const;
      const notes = { [annotations.verify]: 'true' };
      await order(stage, tenant, { name: 'tree', from: golden, source: 'tree', spec, notes, ...near });
      await succeeds(tenant, 'tree');
      const looks = { name: 'looks', script: list, claims: { tree: '/data' } };
      expect(await say(stage.cluster, tenant.namespace, looks)).toBe(before);
    });

    test('while it runs there are a key and two policies of it; a pod that is killed costs a try; and nothing is left', async () => {
      const name = `slow-${randomUUID().slice(0, 8)}`;
      await order(stage, tenant, { name, from: golden, source: 'disk', mode: 'Block', notes: slowly, ...near });
      await slowlyCopyingIn(stage, golden, tenant, name);
      const running = await pods();
      expect(running.get('export')?.spec?.nodeName).toBe('node-2');
      expect(running.get('import')?.spec?.nodeName).toBe('node-1');
      const [key] = await keys();
      const text = Buffer.from(key?.data?.['keys.psk'] ?? '', 'base64').toString();
      expect(text).toMatch(/^clonegate:[0-9a-f]{64}\n$/);
      expect(key).toMatchObject({ immutable: true, type: 'Opaque' });
      const found = await policies();
      expect(found.map(({ spec: { ingress = [], egress = [] } }) => [ingress, egress])).toEqual([
        [[expect.objectContaining({ ports: portsOf(10_810) })], []],
        [[], [expect.objectContaining({ ports: portsOf(10_810) })]],
      ]);

      await golden.kubectl('delete', 'pod', running.get('export')?.metadata.name ?? '', '--wait=false');
      const { status, metadata } = await succeeds(tenant, name);
      expect(status?.restartCount).toBe(1);
      const noted: unknown = JSON.parse(metadata.annotations?.[annotations.copy] ?? '');
      expect(noted).toMatchObject({ failures: 0, reason: 'CopyPodDeleted', network: true });
      expect((await readImage(stage, tenant.namespace, name, 'Block')).sum).toBe(sum);

      expect(await leftIn(golden)).toBe('');
      await until('key and policies to be gone with the claim', async () => {
        return (await keys()).length === 0 && (await policies()).length === 0;
      });
      const requests = (await stage.cluster.auditEvents()).filter(({ user }) => user.username === controllerUser);
      const verbs = requests
        .filter(({ objectRef }) => objectRef?.resource === 'secrets' || objectRef?.resource === 'networkpolicies')
        .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
      expect(new Set(verbs)).toEqual(new Set(['create secrets', 'create networkpolicies']));
    });
  });
}

function portsOf(...ports: readonly number[]): readonly object[] {
  return ports.map((port) => ({ protocol: 'TCP', port }));
}
