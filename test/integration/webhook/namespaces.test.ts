import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, finalizer } from '../../../shared/api/names.ts';
import type { PersistentVolumeClaim } from '../../../shared/api/objects.ts';
import { type AuditEvent, type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningController, startController } from '../../support/controller.ts';
import { applyRights } from '../../support/helm/apply.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { clone, create, created, must, setScene } from './scene.ts';

/** Both programs with `--namespaces`, and with Roles in these namespaces instead of ClusterRoles. One of them does not exist at first. */

const served = ['golden', 'tenant-a', 'later'];

let cluster: Cluster;
let webhook: RunningWebhook;
let controller: RunningController;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'namespaces' });
  for (const name of ['golden', 'tenant-a']) await must(cluster.kubectl(['create', 'namespace', name]));
  webhook = await startWebhook(cluster, { namespaces: served });
  controller = await startController(cluster, { namespaces: served, keys: webhook.keys });
  await setScene(cluster);
});

afterAll(async () => {
  await cluster?.stop();
});

const from = (namespace: string) => ({ source: { pvc: { namespace, name: 'fedora' } } });

async function volume(namespace: string, name: string): Promise<DataVolume> {
  return await cluster.api.get(`/apis/cdi.kubevirt.io/v1beta1/namespaces/${namespace}/datavolumes/${name}`);
}

/** The temporary claim beside the source, the first thing that is made. Nobody provisions here, so it is the last as well. */
async function begun(namespace: string, name: string): Promise<string> {
  return await until(`the clone ${namespace}/${name} to begin`, async () => {
    const { metadata } = await volume(namespace, name);
    const path = '/api/v1/namespaces/golden/persistentvolumeclaims';
    const { items } = await cluster.api.get<{ items: PersistentVolumeClaim[] }>(path);
    const temporary = items.find((claim) => claim.metadata.name === `clonegate-${metadata.uid}`);
    return metadata.finalizers?.includes(finalizer) === true && temporary?.metadata.name;
  });
}

async function metric(opsUrl: string, line: string): Promise<boolean> {
  const { body } = await request(`${opsUrl}/metrics`);
  return (await body.text()).split('\n').includes(line);
}

interface Noted {
  readonly reason: string;
  readonly note: string;
}

async function eventsIn(namespace: string): Promise<readonly Noted[]> {
  return (await cluster.api.get<{ items: Noted[] }>(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`)).items;
}

describe('with Roles only', () => {
  test('both programs are ready though one of the namespaces does not exist, and say so', async () => {
    for (const { opsUrl } of [webhook, controller]) {
      expect((await request(`${opsUrl}/readyz`)).statusCode).toBe(200);
      expect(await metric(opsUrl, 'clonegate_namespace_open{namespace="golden"} 1')).toBe(true);
      expect(await metric(opsUrl, 'clonegate_namespace_open{namespace="later"} 0')).toBe(true);
    }
  });

  test('a namespace that comes later is served then', async () => {
    await must(cluster.kubectl(['create', 'namespace', 'later']));
    await applyRights(cluster, served);
    await must(
      cluster.kubectl([
        'create',
        'rolebinding',
        'a',
        '--clusterrole=datavolume-editor',
        '--user=tenant-a',
        '-n',
        'later',
      ]),
    );
    for (const { opsUrl } of [webhook, controller])
      await until('later to open', async () => await metric(opsUrl, 'clonegate_namespace_open{namespace="later"} 1'));

    const { metadata } = await until('the clone to be let in', async () => {
      const { code, stdout } = await create(
        cluster,
        'tenant-a',
        clone({ namespace: 'later', name: 'disk' }),
        '-o',
        'json',
      );
      return code === 0 && (JSON.parse(stdout) as DataVolume);
    });
    expect(metadata.annotations?.[annotations.stamp]).toBeDefined();
    await begun('later', 'disk');
  });

  test('a clone between two of the namespaces is admitted and begun', async () => {
    const { metadata } = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'disk' }));
    expect(metadata.annotations?.[annotations.stamp]).toBeDefined();
    expect(await begun('tenant-a', 'disk')).toBe(`clonegate-${metadata.uid}`);
  });

  test('so is one by a DataSource', async () => {
    const spec = { sourceRef: { kind: 'DataSource', namespace: 'golden', name: 'latest' } };
    const { metadata } = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'by-ref' }, spec));
    expect(metadata.annotations?.[annotations.stamp]).toBeDefined();
  });

  test('one from elsewhere is refused, in the same words whether the source exists', async () => {
    const answers = await Promise.all(
      ['fedora', 'missing'].map(async (name) => {
        const spec = { source: { pvc: { namespace: 'tenant-b', name } } };
        return (await create(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'stolen' }, spec))).stderr;
      }),
    );
    expect(answers[0]).toContain('namespace tenant-b is none of those that this Clonegate serves');
    expect(answers[0]).toContain('spec.source.pvc.namespace');
    expect(answers[1]).toBe(answers[0]);
    for (const namespace of ['tenant-a', 'clonegate-system'])
      await until(`the refusal to be told in ${namespace}`, async () =>
        (await eventsIn(namespace)).some(({ reason }) => reason === 'NamespaceNotServed'),
      );
  });

  test('one into a namespace elsewhere is none of our business', async () => {
    const there = clone({ namespace: 'tenant-b', name: 'disk' }, from('tenant-b'));
    const { metadata } = await created(cluster, 'tenant-b', there);
    expect(metadata.annotations?.[annotations.decision]).toBeUndefined();
    // What comes later is worked on, so this one would have been.
    await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'marker' }));
    await begun('tenant-a', 'marker');
    expect((await volume('tenant-b', 'disk')).status).toBeUndefined();
  });

  test('somebody without the right is refused for that', async () => {
    await must(
      cluster.kubectl([
        'create',
        'rolebinding',
        'b',
        '--clusterrole=datavolume-editor',
        '--user=tenant-b',
        '-n',
        'tenant-a',
      ]),
    );
    const denied = await until('tenant-b to be let to the webhook', async () => {
      const { stderr } = await create(cluster, 'tenant-b', clone({ namespace: 'tenant-a', name: 'denied' }));
      return stderr.includes('CloneDenied') && stderr;
    });
    expect(denied).toContain('user "tenant-b" may not clone PersistentVolumeClaim golden/fedora');
  });

  test('a veto on a namespace is heeded as soon as it is seen', async () => {
    await must(cluster.kubectl(['annotate', 'namespace', 'golden', `${annotations.clone}=deny`]));
    await until('the veto to be seen', async () => {
      const dry = ['--dry-run=server'];
      const { stderr } = await create(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'vetoed' }), ...dry);
      return stderr.includes('CloneVetoed');
    });
    await must(cluster.kubectl(['annotate', 'namespace', 'golden', `${annotations.clone}-`]));
  });
});

describe('the audit log', () => {
  const isOurs = ({ user }: AuditEvent) => user.username.startsWith('system:serviceaccount:clonegate-system:');

  test('has no call of ours that was refused, but those that looked for the namespace that did not exist', async () => {
    const ours = (await cluster.auditEvents()).filter(isOurs);
    const refused = ours.filter(({ responseStatus }) => responseStatus?.code === 403);
    expect(refused.filter(({ objectRef }) => objectRef?.namespace !== 'later')).toEqual([]);
    expect(refused.length).toBeGreaterThan(0);
  });

  test('has no list or watch of ours across namespaces, of a kind that has one', async () => {
    const wide = (await cluster.auditEvents()).filter(
      ({ verb, objectRef, ...event }) =>
        isOurs({ verb, ...event }) && (verb === 'list' || verb === 'watch') && objectRef?.namespace === undefined,
    );
    const resources = new Set(wide.map(({ objectRef }) => objectRef?.resource));
    expect(resources).toEqual(
      new Set([
        'csidrivers',
        'namespaces',
        'persistentvolumes',
        'storageclasses',
        'storageprofiles',
        'volumesnapshotclasses',
      ]),
    );
    const namespaces = wide.filter(({ objectRef }) => objectRef?.resource === 'namespaces');
    expect(namespaces.every(({ requestURI }) => requestURI.includes('fieldSelector=metadata.name%3D'))).toBe(true);
  });

  test('has the right to clone asked for in the namespace of the source', async () => {
    const reviews = (await cluster.auditEvents()).filter(
      (event) => isOurs(event) && event.objectRef?.apiGroup === 'authorization.k8s.io',
    );
    const asked = new Set(reviews.map(({ objectRef }) => `${objectRef?.namespace} ${objectRef?.resource}`));
    expect([...asked]).toEqual(['golden localsubjectaccessreviews']);
  });
});
