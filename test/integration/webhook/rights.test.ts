import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { parseRecord } from '../../../shared/decision/record.ts';
import { loadVerifier } from '../../../shared/trust/keys.ts';
import { type VerifiedStamp, verifyStamp } from '../../../shared/trust/stamp.ts';
import {
  type AuditEvent,
  type Cluster,
  cameSince,
  startCluster,
  type User,
  until,
} from '../../support/cluster/index.ts';
import { applyAll, type Manifest } from '../../support/cluster/manifest.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { byDataSource, claimNamed, dataSourceNamed, snapshotNamed } from './objects.ts';
import { clone, create, created, must, setScene } from './scene.ts';
import { installSnapshots } from './snapshots.ts';

/** Every source and every rule, on a real API server: who may clone what, who may not, and what they are told. */

let cluster: Cluster;
let webhook: RunningWebhook;
let agent: Agent;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'rights' });
  await installSnapshots(cluster);
  webhook = await startWebhook(cluster);
  await setScene(cluster);
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'vault' } });
  await apply(snapshotNamed('daily'));
  agent = new Agent({ connect: { ca: webhook.ca } });
});

afterAll(async () => {
  await agent?.destroy();
  await cluster?.stop();
});

/** One after the other. */
async function apply(...objects: readonly Manifest[]): Promise<void> {
  for (const object of objects) await applyAll(cluster.api, [object]);
}

async function kubectl(...args: readonly string[]): Promise<string> {
  return await must(cluster.kubectl(args));
}

/** The right to clone from `golden`, by a binding of this name. */
async function grant(binding: string, user: User): Promise<void> {
  await kubectl(
    'create',
    'rolebinding',
    binding,
    '--clusterrole=clonegate-clone-sourcer',
    `--user=${user}`,
    '-n',
    'golden',
  );
}

async function stampOf({ metadata }: DataVolume): Promise<VerifiedStamp> {
  return await verifyStamp(await loadVerifier(webhook.keys), metadata.annotations?.[annotations.stamp]);
}

/** What would be stored; nothing is. */
async function tried(user: User, spec: Partial<DataVolume['spec']>, name = 'tried'): Promise<DataVolume> {
  const namespace = user === 'tenant-b' ? 'tenant-b' : 'tenant-a';
  return await created(cluster, user, clone({ namespace, name }, spec), '--dry-run=server');
}

/** What `kubectl create` says. */
async function told(
  user: User,
  spec: Partial<DataVolume['spec']>,
  metadata: DataVolume['metadata'] = {},
): Promise<string> {
  const namespace = user === 'tenant-b' ? 'tenant-b' : 'tenant-a';
  return (await create(cluster, user, clone({ namespace, name: 'told', ...metadata }, spec), '--dry-run=server'))
    .stderr;
}

describe('a clone', () => {
  it('of a snapshot is stamped for the snapshot', async () => {
    const volume = await tried('tenant-a', { source: { snapshot: { namespace: 'golden', name: 'daily' } } });
    const { metadata } = await cluster.api.get<DataVolume>(
      '/apis/snapshot.storage.k8s.io/v1/namespaces/golden/volumesnapshots/daily',
    );
    expect((await stampOf(volume)).source).toEqual({
      kind: 'VolumeSnapshot',
      namespace: 'golden',
      name: 'daily',
      uid: metadata.uid,
    });
    expect(parseRecord(volume.metadata.annotations?.[annotations.decision])?.strategy).toBe('snapshot');
  });

  it('by a DataSource of a snapshot, and by one of another DataSource, is stamped for what is at the end', async () => {
    await apply(
      dataSourceNamed('nightly', { snapshot: { namespace: '', name: 'daily' } }),
      dataSourceNamed('current', { dataSource: { namespace: 'golden', name: 'latest' } }),
    );
    const sourceOf = async (name: string): Promise<unknown> =>
      (await stampOf(await tried('tenant-a', byDataSource(name)))).source;
    const seen = await until('nightly to be known', async () => await sourceOf('nightly'));
    expect(seen).toMatchObject({ kind: 'VolumeSnapshot', namespace: 'golden', name: 'daily' });
    expect(await until('current to be known', async () => await sourceOf('current'))).toMatchObject({
      kind: 'PersistentVolumeClaim',
      namespace: 'golden',
      name: 'fedora',
    });
  });

  it('by a DataSource costs what any other does: one SubjectAccessReview and one read', async () => {
    const calls = async (): Promise<readonly AuditEvent[]> =>
      (await cluster.auditEvents()).filter(
        ({ user, verb }) => user.username.endsWith(':clonegate-webhook') && (verb === 'get' || verb === 'create'),
      );
    await until('the DataSource to be known', async () => await tried('tenant-a', byDataSource('latest')));
    const begin = Date.now();
    await tried('tenant-a', byDataSource('latest'));
    const seen = await until('the calls in the audit log', async () => {
      const now = (await calls()).filter(cameSince(begin));
      return now.length >= 2 && now;
    });
    expect(seen.map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`).toSorted()).toEqual([
      'create subjectaccessreviews',
      'get persistentvolumeclaims',
    ]);
  });

  it('from its own namespace takes the right as well', async () => {
    await apply(claimNamed('own', 'tenant-b'));
    const spec = { source: { pvc: { namespace: '', name: 'own' } } };
    expect(await told('tenant-b', spec)).toContain('may not clone PersistentVolumeClaim tenant-b/own');
  });

  it('is denied from the moment at which the right is gone: no answer is used twice', async () => {
    await grant('for-a-while', 'tenant-b');
    const may = async (): Promise<boolean> => {
      const spec = {
        user: 'tenant-b',
        resourceAttributes: {
          group: 'cdi.kubevirt.io',
          resource: 'datavolumes',
          subresource: 'source',
          verb: 'create',
          namespace: 'golden',
          name: 'fedora',
        },
      };
      const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
      return (await cluster.api.post<{ status: { allowed: boolean } }>(path, { spec })).status.allowed;
    };
    await until('the right to be there', may);
    for (const _ of [1, 2, 3]) await tried('tenant-b', {});
    await kubectl('delete', 'rolebinding', 'for-a-while', '-n', 'golden');
    await until('the right to be gone', async () => !(await may()));
    expect(await told('tenant-b', {})).toContain('CloneDenied');
  });

  it('says by which rule it was allowed, in its stamp and in the audit log', async () => {
    const volume = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'ruled' }));
    expect((await stampOf(volume)).rule).toBe('datavolumes/source');
    const entry = await until('the create in the audit log', async () =>
      (await cluster.auditEvents()).find(({ objectRef, annotations: notes = {} }) => {
        return objectRef?.name === 'ruled' && 'validate.datavolumes.clonegate.io/rule' in notes;
      }),
    );
    expect(entry.annotations?.['validate.datavolumes.clonegate.io/rule']).toBe('datavolumes/source');
  });
});

describe('a veto', () => {
  const vetoed = async (spec: Partial<DataVolume['spec']> = {}): Promise<boolean> =>
    (await told('tenant-a', spec)).includes('CloneVetoed');

  it.each([
    ['pvc', 'fedora', 'PersistentVolumeClaim golden/fedora', { pvc: { namespace: 'golden', name: 'fedora' } }],
    ['volumesnapshot', 'daily', 'VolumeSnapshot golden/daily', { snapshot: { namespace: 'golden', name: 'daily' } }],
  ])('on a %s is told to who has the right, and to nobody else', async (kind, name, who, source) => {
    const before = await told('tenant-b', { source });
    await kubectl('annotate', kind, name, '-n', 'golden', 'clonegate.io/clone=deny');
    const stderr = await told('tenant-a', { source });
    expect(stderr).toContain('Error from server (Forbidden)');
    expect(stderr).toContain(`CloneVetoed: ${who} lets nobody clone (annotation clonegate.io/clone)`);
    expect(await told('tenant-b', { source })).toBe(before);
    await kubectl('annotate', kind, name, '-n', 'golden', 'clonegate.io/clone-');
    expect(await vetoed({ source })).toBe(false);
  });

  it('on a namespace holds for everything in it, whatever that says itself', async () => {
    await kubectl('annotate', 'pvc', 'fedora', '-n', 'golden', 'clonegate.io/clone=allow');
    expect(await vetoed()).toBe(false);
    await kubectl('annotate', 'namespace', 'golden', 'clonegate.io/clone=deny');
    await until('the veto to be heeded', async () => await vetoed());
    expect(await vetoed({ source: { pvc: { namespace: 'golden', name: 'not-yet' } } })).toBe(true);
    await kubectl('annotate', 'namespace', 'golden', 'clonegate.io/clone-');
    await until('the veto to be gone', async () => !(await vetoed()));
    await kubectl('annotate', 'pvc', 'fedora', '-n', 'golden', 'clonegate.io/clone-');
  });
});

/** What the webhook answers to tenant-b, to the byte: to both calls, with all that only administrators see. */
async function answers(spec: Partial<DataVolume['spec']>): Promise<string> {
  const userInfo = { username: 'tenant-b', uid: 'tenant-b', groups: ['tenants', 'system:authenticated'] };
  const resource = { group: 'cdi.kubevirt.io', version: 'v1beta1', resource: 'datavolumes' };
  const object = clone({ namespace: 'tenant-b', name: 'curious' }, spec);
  const fields = { uid: 'u', operation: 'CREATE', resource, namespace: 'tenant-b', userInfo, object, dryRun: true };
  const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: fields };
  const said: string[] = [];
  for (const path of ['/mutate', '/validate']) {
    const response = await request(`${webhook.url}${path}?timeout=10s`, {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(review),
    });
    said.push(await response.body.text());
  }
  return said.join('\n');
}

interface Place {
  readonly namespace: string;
  readonly name: string;
}

const bound = JSON.stringify({ status: { phase: 'Bound', capacity: { storage: '1Gi' } } });
const ready = async (place: Place, kind: string): Promise<unknown> =>
  kubectl('patch', '-n', place.namespace, kind, place.name, '--subresource=status', '--type=merge', '-p', bound);
const veto = async (place: Place, kind: string): Promise<unknown> =>
  kubectl('annotate', '-n', place.namespace, kind, place.name, 'clonegate.io/clone=deny');
const closed = async (namespace: string): Promise<unknown> =>
  kubectl('annotate', 'namespace', namespace, 'clonegate.io/clone=deny');

/** Each step changes the world; tenant-b, who has no right to any of it, must not be able to tell. */
const worlds: Readonly<
  Record<
    string,
    { readonly spec: Partial<DataVolume['spec']>; readonly steps: readonly [string, () => Promise<unknown>][] }
  >
> = {
  'a claim': {
    spec: { source: { pvc: { namespace: 'shut-1', name: 'probe' } } },
    steps: [
      ['the namespace exists', async () => kubectl('create', 'namespace', 'shut-1')],
      ['the claim exists, unbound', async () => apply(claimNamed('probe', 'shut-1'))],
      ['it is bound', async () => ready({ namespace: 'shut-1', name: 'probe' }, 'pvc')],
      ['it is vetoed', async () => veto({ namespace: 'shut-1', name: 'probe' }, 'pvc')],
      ['its namespace is', async () => closed('shut-1')],
      ['it is gone', async () => kubectl('delete', 'pvc', '--wait=false', '-n', 'shut-1', 'probe')],
    ],
  },
  'a snapshot': {
    spec: { source: { snapshot: { namespace: 'shut-2', name: 'probe' } } },
    steps: [
      ['the namespace exists', async () => kubectl('create', 'namespace', 'shut-2')],
      ['the snapshot exists', async () => apply(snapshotNamed('probe', 'shut-2'))],
      ['it is vetoed', async () => veto({ namespace: 'shut-2', name: 'probe' }, 'volumesnapshot')],
      ['its namespace is', async () => closed('shut-2')],
    ],
  },
  'a DataSource': {
    spec: byDataSource('probe', 'shut-3'),
    steps: [
      ['the namespace exists', async () => kubectl('create', 'namespace', 'shut-3')],
      ['the DataSource exists and names nothing', async () => apply(dataSourceNamed('probe', {}, 'shut-3'))],
      ['it names nothing that exists', async () => lead({ pvc: { namespace: 'vault', name: 'secret' } })],
      ['what it names exists', async () => apply(claimNamed('secret', 'vault'))],
      ['that is vetoed', async () => veto({ namespace: 'vault', name: 'secret' }, 'pvc')],
      ['it names another DataSource', async () => lead({ dataSource: { namespace: 'golden', name: 'latest' } })],
      ['it names a snapshot', async () => lead({ snapshot: { namespace: 'golden', name: 'daily' } })],
      ['it names what is no name', async () => lead({ pvc: { namespace: 'golden', name: '../secret' } })],
      ['it is gone', async () => kubectl('delete', 'datasource', '-n', 'shut-3', 'probe')],
    ],
  },
};

async function lead(source: object): Promise<void> {
  const patch = JSON.stringify([{ op: 'replace', path: '/spec/source', value: source }]);
  await kubectl('patch', 'datasource', '-n', 'shut-3', 'probe', '--type=json', '-p', patch);
}

describe('somebody without the right', () => {
  it.each(Object.entries(worlds))('cannot tell anything about %s from the answers', async (_, { spec, steps }) => {
    const first = await answers(spec);
    expect(first).toContain('CloneDenied');
    expect(first).not.toMatch(/vault|secret|fedora|warnings/);
    for (const [what, change] of steps) {
      await change();
      // Before the webhook's memory has heard of it, and after: an administrator can see when that is.
      expect({ what, said: await answers(spec) }).toEqual({ what, said: first });
      await heard();
      expect({ what, said: await answers(spec) }).toEqual({ what, said: first });
    }
  });
});

let marks = 0;

/** Until the webhook has heard of all that was changed so far: it hears in order, and of a DataSource and a namespace that come last it tells. */
async function heard(): Promise<void> {
  marks += 1;
  const mark = `mark-${marks}`;
  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: mark, annotations: { 'clonegate.io/clone': 'deny' } } },
    dataSourceNamed(mark, { pvc: { namespace: mark, name: 'x' } }, 'golden'),
  );
  const path = '/apis/cdi.kubevirt.io/v1beta1/namespaces/tenant-a/datavolumes?dryRun=All';
  await until(`${mark} to be heard of`, async () => {
    const said = await cluster.api.post(path, clone({ name: mark }, byDataSource(mark))).then(() => '', String);
    return said.includes(`namespace ${mark} lets nobody clone`);
  });
}

describe('a DataVolume that takes a volume which exists', () => {
  const metadata = { namespace: 'tenant-b', annotations: { [annotations.prePopulated]: 'disk' } };
  const drop = async (name: string) =>
    cluster.kubectl(['annotate', 'datavolume', '-n', 'tenant-b', name, `${annotations.prePopulated}-`], {
      user: 'tenant-b',
    });

  it('is admitted without the right, and without a stamp', async () => {
    const volume = clone({ ...metadata, name: 'restored' });
    const { code, stderr } = await create(cluster, 'tenant-b', volume);
    expect([code, stderr]).toEqual([
      0,
      'Warning: no stamp: Clonegate will not clone it; to have it cloned, create it anew without the annotation\n',
    ]);
    const stored = await cluster.api.get<DataVolume>(
      '/apis/cdi.kubevirt.io/v1beta1/namespaces/tenant-b/datavolumes/restored',
    );
    expect(stored.metadata.annotations).toEqual(metadata.annotations);
  });

  it('is admitted though its DataSource does not exist', async () => {
    expect(
      (await create(cluster, 'tenant-b', clone({ ...metadata, name: 'lost' }, byDataSource('no-such')))).code,
    ).toBe(0);
  });

  it('takes the right when the annotation goes, and is left alone otherwise', async () => {
    const { code, stderr } = await drop('restored');
    expect(code).toBe(1);
    expect(stderr).toContain('CloneDenied: user "tenant-b" may not clone PersistentVolumeClaim golden/fedora');
    await kubectl('label', 'datavolume', '-n', 'tenant-b', 'restored', 'still=works');
    await kubectl(
      'annotate',
      'datavolume',
      '-n',
      'tenant-b',
      'restored',
      `${annotations.prePopulated}=other`,
      '--overwrite',
    );
    await grant('for-restore', 'tenant-b');
    const dropped = await until('the right to be there', async () => {
      const done = await drop('restored');
      return done.code === 0 && done;
    });
    expect(dropped.stderr).toContain('Warning: no stamp');
    await kubectl('delete', 'rolebinding', 'for-restore', '-n', 'golden');
  });
});

describe('an update of anything else', () => {
  it('is not even sent to us, and goes through when source and right are gone', async () => {
    await apply(claimNamed('passing'), dataSourceNamed('passing', { pvc: { namespace: 'golden', name: 'passing' } }));
    const volume = clone({ namespace: 'tenant-a', name: 'lasting' }, byDataSource('passing'));
    await until('the DataSource to be known', async () => (await create(cluster, 'tenant-a', volume)).code === 0);
    await kubectl('delete', 'pvc,datasource', '--wait=false', '-n', 'golden', 'passing');
    await kubectl('delete', 'rolebinding', '-n', 'golden', 'clonegate-clone-sourcer.tenant-a');
    const before = await answered();
    const metadata = { labels: { app: 'vm' }, annotations: { mine: 'x' }, finalizers: ['example.com/mine'] };
    const patch = async (change: object): Promise<unknown> =>
      must(
        cluster.kubectl(
          ['patch', '-n', 'tenant-a', 'datavolume', 'lasting', '--type=merge', '-p', JSON.stringify(change)],
          { user: 'tenant-a' },
        ),
      );
    await patch({ metadata });
    await patch({ metadata: { labels: { app: null }, finalizers: null } });
    expect(await answered()).toBe(before);
    await grant('clonegate-clone-sourcer.tenant-a', 'tenant-a');
  });
});

/** How many admission calls the webhook has answered so far, by its own count. */
async function answered(): Promise<number> {
  const text = await (await request(`${webhook.opsUrl}/metrics`)).body.text();
  const lines = text.split('\n').filter((line) => line.startsWith('clonegate_admission_requests_total{'));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

describe('a create that says something wrong', () => {
  it.each([
    [
      'a strategy that is none',
      {},
      { annotations: { [annotations.strategy]: 'teleport' } },
      'metadata.annotations[clonegate.io/strategy]: must be csi-clone, snapshot, copy, not "teleport"',
    ],
    [
      'itself as its source',
      { source: { pvc: { namespace: 'tenant-a', name: 'told' } } },
      {},
      'spec.source.pvc: must be another claim than tenant-a/told',
    ],
    [
      'another content as well',
      { storage: { dataSourceRef: { kind: 'PersistentVolumeClaim', name: 'x' } } },
      {},
      'spec.storage.dataSourceRef: must not be given together with a source to clone',
    ],
    ['too small a size', { storage: { resources: { requests: { storage: '1023Ki' } } } }, {}, 'must be at least 1Mi'],
  ])('is told so: %s', async (_, spec, metadata, words) => {
    const stderr = await until('the right to be heeded', async () => {
      const said = await told('tenant-a', spec, metadata);
      return !said.includes('CloneDenied') && said;
    });
    expect(stderr).toContain('is invalid');
    expect(stderr).toContain(words);
    expect(stderr).toContain('(CloneRejected)');
  });

  it('is told that the claim which it would make exists, until that is gone', async () => {
    await apply(claimNamed('taken', 'tenant-a'));
    const volume = clone({ namespace: 'tenant-a', name: 'taken' });
    const attempt = async (...args: string[]) => create(cluster, 'tenant-a', volume, ...args);
    const { stderr } = await until('the claim to be known', async () => {
      const refused = await attempt('--dry-run=server');
      return refused.code !== 0 && refused;
    });
    expect(stderr).toContain('metadata.name: PersistentVolumeClaim tenant-a/taken exists already');
    expect(stderr).toContain('(TargetExists)');
    const adopting = {
      ...volume,
      metadata: { ...volume.metadata, annotations: { [annotations.allowClaimAdoption]: 'true' } },
    };
    expect((await create(cluster, 'tenant-a', adopting, '--dry-run=server')).code).toBe(0);
    // Nobody protects claims here, so it is gone at once; whatever the webhook still remembers.
    await kubectl('patch', 'pvc', '-n', 'tenant-a', 'taken', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
    await kubectl('delete', 'pvc', '-n', 'tenant-a', 'taken');
    expect((await attempt()).code).toBe(0);
  });
});

describe("CDI's looser rules, and an override", () => {
  beforeAll(async () => {
    await webhook.process.kill('SIGTERM');
    const args = ['--authorization-same-namespace=skip', '--pod-creators-may-clone', '--clone-strategy-override=copy'];
    webhook = await startWebhook(cluster, { keys: webhook.keys, args });
  });

  it('ask for no right within a namespace', async () => {
    const volume = await tried('tenant-b', { source: { pvc: { namespace: 'tenant-b', name: 'own' } } });
    expect((await stampOf(volume)).rule).toBe('same-namespace');
  });

  it('let creators of pods clone claims, and snapshots only if they may create claims as well', async () => {
    const snapshot = { source: { snapshot: { namespace: 'golden', name: 'daily' } } };
    expect(await told('tenant-b', {})).toContain('CloneDenied');
    const allow = async (resource: string): Promise<void> => {
      await kubectl('create', 'role', resource, '--verb=create', `--resource=${resource}`, '-n', 'golden');
      await kubectl('create', 'rolebinding', resource, `--role=${resource}`, '--user=tenant-b', '-n', 'golden');
    };
    await allow('pods');
    const volume = await until('pods to be enough', async () => await tried('tenant-b', {}));
    expect((await stampOf(volume)).rule).toBe('pods');
    expect(await told('tenant-b', snapshot)).toContain('CloneDenied');
    await allow('persistentvolumeclaims');
    const restored = await until('both to be enough', async () => await tried('tenant-b', snapshot));
    expect((await stampOf(restored)).rule).toBe('pods');
  });

  it('go before what the storage prefers', async () => {
    const record = parseRecord((await tried('tenant-a', {})).metadata.annotations?.[annotations.decision]);
    expect(record).toMatchObject({ strategy: 'copy' });
    expect(record?.candidates?.[0]).toMatchObject({
      reason: 'Preferred',
      message: expect.stringContaining('override'),
    });
  });
});
