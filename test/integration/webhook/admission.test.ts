import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { parseRecord } from '../../../shared/decision/record.ts';
import { loadVerifier } from '../../../shared/trust/keys.ts';
import { matchStamp, type VerifiedStamp, verifyStamp } from '../../../shared/trust/stamp.ts';
import { type AuditEvent, type Cluster, cameSince, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { clone, create, created, must, setScene } from './scene.ts';

/** The webhook as a process, called by a real API server for what users do with a real kubectl. */

let cluster: Cluster;
let webhook: RunningWebhook;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'admission' });
  webhook = await startWebhook(cluster);
  await setScene(cluster);
});

afterAll(async () => {
  await cluster?.stop();
});

/** Reads the stamp as the controller does. */
async function stampOf(volume: DataVolume): Promise<VerifiedStamp> {
  return await verifyStamp(await loadVerifier(webhook.keys), volume.metadata.annotations?.[annotations.stamp]);
}

const recordOf = ({ metadata }: DataVolume) => parseRecord(metadata.annotations?.[annotations.decision]);

interface EventList {
  readonly items: readonly {
    readonly reason: string;
    readonly note: string;
    readonly regarding: { readonly name: string };
  }[];
}

async function eventsIn(namespace: string): Promise<EventList['items']> {
  return (await cluster.api.get<EventList>(`/apis/events.k8s.io/v1/namespaces/${namespace}/events`)).items;
}

describe('a clone by somebody who may', () => {
  it('is stored with strategy, decision and a stamp that belongs to it', async () => {
    const volume = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'plain' }));
    expect(volume.metadata.annotations?.[annotations.cloneType]).toBe('csi-clone');
    expect(recordOf(volume)).toMatchObject({
      outcome: 'chosen',
      candidates: [
        { strategy: 'csi-clone', reason: 'Preferred' },
        { strategy: 'snapshot', reason: 'NoSnapshotAPI' },
        { strategy: 'copy', reason: 'NotPreferred' },
      ],
    });
    const stamp = await stampOf(volume);
    const source = await cluster.api.get<DataVolume>('/api/v1/namespaces/golden/persistentvolumeclaims/fedora');
    expect(stamp).toMatchObject({
      user: 'tenant-a',
      source: { namespace: 'golden', name: 'fedora', uid: source.metadata.uid },
      identity: { uid: 'tenant-a', groups: ['tenants', 'system:authenticated'] },
    });
    expect(matchStamp(stamp, volume, stamp.source, source.metadata.uid)).toBeUndefined();
  });

  it('costs one SubjectAccessReview and one read', async () => {
    const calls = async (): Promise<readonly AuditEvent[]> =>
      (await cluster.auditEvents()).filter(
        ({ user, objectRef }) =>
          user.username.endsWith(':clonegate-webhook') &&
          (objectRef?.resource === 'subjectaccessreviews' || objectRef?.resource === 'persistentvolumeclaims'),
      );
    const begin = Date.now();
    await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'counted' }));
    // The log is written a moment after the answer.
    const seen = await until('the calls in the audit log', async () => {
      const now = (await calls()).filter(cameSince(begin));
      return now.length >= 2 && now;
    });
    const resources = seen.map(({ objectRef }) => objectRef?.resource ?? '');
    expect(resources.toSorted((a, b) => a.localeCompare(b))).toEqual([
      'persistentvolumeclaims',
      'subjectaccessreviews',
    ]);
  });

  it('works with generateName', async () => {
    const volume = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', generateName: 'vm-disk-' }));
    expect(volume.metadata.name).toMatch(/^vm-disk-.{5}$/);
    const stamp = await stampOf(volume);
    expect(matchStamp(stamp, volume, stamp.source)).toBeUndefined();
  });

  it('works by a DataSource', async () => {
    const sourceRef = { kind: 'DataSource', namespace: 'golden', name: 'latest' };
    const volume = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'aliased' }, { sourceRef }));
    expect(await stampOf(volume)).toMatchObject({
      source: { name: 'fedora' },
      via: { namespace: 'golden', name: 'latest' },
    });
  });

  it('does not take over what the user wrote in the place of our annotations', async () => {
    const own = { [annotations.cloneType]: 'copy', [annotations.decision]: '{}', [annotations.stamp]: 'mine' };
    const volume = await created(
      cluster,
      'tenant-a',
      clone({ namespace: 'tenant-a', name: 'forged', annotations: { ...own, keep: 'me' } }),
    );
    expect(volume.metadata.annotations).toMatchObject({ keep: 'me', [annotations.cloneType]: 'csi-clone' });
    expect((await stampOf(volume)).user).toBe('tenant-a');
  });

  it('is admitted with a warning when the source does not exist yet', async () => {
    const source = { pvc: { namespace: 'golden', name: 'not-yet' } };
    const { code, stderr } = await create(
      cluster,
      'tenant-a',
      clone({ namespace: 'tenant-a', name: 'early' }, { source }),
    );
    expect(code).toBe(0);
    expect(stderr).toBe(
      'Warning: clone waits (SourceNotFound): PersistentVolumeClaim golden/not-yet does not exist yet\n',
    );
  });

  it('is refused when the target is too small, with the field and what would do', async () => {
    const storage = { storageClassName: 'fast', resources: { requests: { storage: '512Mi' } } };
    const { code, stderr } = await create(
      cluster,
      'tenant-a',
      clone({ namespace: 'tenant-a', name: 'small' }, { storage }),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/spec\.storage\.resources\.requests\.storage: .*512Mi.*1Gi.*\(TargetTooSmall\)/);
  });
});

describe('a clone by somebody who may not', () => {
  it('is refused with who, what, where and the command that would help', async () => {
    const { code, stderr } = await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'theft' }));
    expect(code).toBe(1);
    expect(stderr).toContain('Error from server (Forbidden)');
    expect(stderr).toContain(
      'admission webhook "validate.datavolumes.clonegate.io" denied the request: CloneDenied: user "tenant-b" may not clone ' +
        'PersistentVolumeClaim golden/fedora: that needs the right to create datavolumes/source (cdi.kubevirt.io) in namespace golden.',
    );
  });

  it('is admitted once an administrator has run the command', async () => {
    const volume = clone({ namespace: 'tenant-b', name: 'granted' });
    const { stderr } = await create(cluster, 'tenant-b', volume);
    const command = /kubectl (create rolebinding .*)/.exec(stderr)?.[1] ?? '';
    await must(cluster.kubectl(command.trim().split(' ')));
    const admitted = await until('the right to be heeded', () => created(cluster, 'tenant-b', volume));
    expect((await stampOf(admitted)).user).toBe('tenant-b');
    await must(cluster.kubectl(['delete', 'rolebinding', '-n', 'golden', 'clone-from-golden-tenant-b']));
    await until(
      'the right to be gone',
      async () => (await create(cluster, 'tenant-b', volume, '--dry-run=server')).code === 1,
    );
  });

  it('gets the same answer for sources that exist and that do not', async () => {
    const answer = async (name: string): Promise<string> => {
      const source = { pvc: { namespace: 'golden', name } };
      const { stderr } = await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'probe' }, { source }));
      return stderr.replaceAll(name, 'NAME');
    };
    expect(await answer('no-such-claim')).toBe(await answer('fedora'));
    const aliased = async (name: string): Promise<string> => {
      const sourceRef = { kind: 'DataSource', namespace: 'golden', name };
      const { stderr } = await create(
        cluster,
        'tenant-b',
        clone({ namespace: 'tenant-b', name: 'probe' }, { sourceRef }),
      );
      return stderr.replaceAll(name, 'NAME');
    };
    expect(await aliased('no-such-alias')).toBe(await aliased('latest'));
  });

  it('leaves an event where the user sees it and one where the administrator does, and a trace in the audit log', async () => {
    const source = { pvc: { namespace: 'golden', name: 'wanted' } };
    await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'seen' }, { source }));
    for (const namespace of ['tenant-b', 'clonegate-system']) {
      const event = await until(`the event in ${namespace}`, async () =>
        (await eventsIn(namespace)).find(({ note }) => note.includes('golden/wanted')),
      );
      expect(event).toMatchObject({ reason: 'CloneDenied', regarding: { name: 'seen' } });
    }
    const request = await until('the request in the audit log', async () =>
      (await cluster.auditEvents()).find(
        (event) =>
          event.annotations?.['validate.datavolumes.clonegate.io/asked'] === 'PersistentVolumeClaim golden/wanted',
      ),
    );
    expect(request).toMatchObject({
      user: { username: 'tenant-b' },
      annotations: {
        'validate.datavolumes.clonegate.io/decision': 'deny',
        'validate.datavolumes.clonegate.io/reason': 'CloneDenied',
      },
    });
  });
});

describe('a dry run', () => {
  it('shows the decision and stores nothing', async () => {
    const volume = await created(
      cluster,
      'tenant-a',
      clone({ namespace: 'tenant-a', name: 'dry' }),
      '--dry-run=server',
    );
    expect(recordOf(volume)?.strategy).toBe('csi-clone');
    expect((await cluster.kubectl(['get', 'datavolume', '-n', 'tenant-a', 'dry'])).code).toBe(1);
  });

  it('is refused like the real thing, and leaves no event', async () => {
    const attempt = async (name: string, ...args: string[]): Promise<number> => {
      const source = { pvc: { namespace: 'golden', name } };
      return (await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'tried' }, { source }), ...args))
        .code;
    };
    expect(await attempt('tried-dry', '--dry-run=server')).toBe(1);
    expect(await attempt('tried-really')).toBe(1);
    const events = await until('the event of the later attempt', async () => {
      const notes = (await eventsIn('clonegate-system')).map(({ note }) => note);
      return notes.some((note) => note.includes('golden/tried-really')) && notes;
    });
    expect(events.filter((note) => note.includes('tried-dry'))).toEqual([]);
  });
});

describe('an update', () => {
  const name = 'updated';
  const path = `/apis/cdi.kubevirt.io/v1beta1/namespaces/tenant-a/datavolumes/${name}`;
  const patch = async (change: object, ...args: readonly string[]) =>
    await cluster.kubectl([
      'patch',
      '-n',
      'tenant-a',
      'datavolume',
      name,
      '--type=merge',
      '-p',
      JSON.stringify(change),
      ...args,
    ]);

  beforeAll(async () => {
    await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name }));
  });

  it('of labels and other annotations passes, without a call to the webhook', async () => {
    const metadata = { labels: { app: 'vm' }, annotations: { mine: 'x' } };
    expect((await patch({ metadata })).code).toBe(0);
  });

  it('of the size to another unit passes', async () => {
    expect((await patch({ spec: { storage: { resources: { requests: { storage: '1024Mi' } } } } })).code).toBe(0);
  });

  it.each([
    ['the source', { source: { pvc: { name: 'other' } } }, 'spec.source'],
    ['the size', { storage: { resources: { requests: { storage: '2Gi' } } } }, 'spec.storage'],
    ['the clone into something else', { source: { pvc: null, blank: {} } }, 'spec.source'],
  ])('of %s is refused', async (_, spec, field) => {
    const { code, stderr } = await patch({ spec });
    expect(code).toBe(1);
    expect(stderr).toContain(`${field}: cannot be changed after creation`);
    expect(stderr).toContain('(SpecImmutable)');
  });

  it.each([annotations.stamp, annotations.decision, annotations.cloneType])(
    'of %s is refused to everybody',
    async (key) => {
      for (const value of ['forged', null]) {
        const { code, stderr } = await patch({ metadata: { annotations: { [key]: value } } });
        expect(code).toBe(1);
        expect(stderr).toContain(`ReservedAnnotation: user "admin" may not change ${key}`);
      }
    },
  );

  it('of our annotations is open to the controller', async () => {
    const before = await cluster.api.get<DataVolume>(path);
    const as = '--as=system:serviceaccount:clonegate-system:clonegate-controller';
    expect((await patch({ metadata: { annotations: { [annotations.cloneType]: 'copy' } } }, as)).code).toBe(0);
    const back = before.metadata.annotations?.[annotations.cloneType];
    expect((await patch({ metadata: { annotations: { [annotations.cloneType]: back } } }, as)).code).toBe(0);
  });
});

describe('the webhook', () => {
  it('has nothing to do with a DataVolume that is no clone', async () => {
    const source = { blank: {} };
    const volume = await created(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'blank' }, { source }));
    expect(volume.metadata.annotations).toBeUndefined();
  });

  it('needs no right that its role does not give it', async () => {
    const refused = (await cluster.auditEvents()).filter(
      ({ user, responseStatus }) => user.username.endsWith(':clonegate-webhook') && responseStatus?.code === 403,
    );
    expect(refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`)).toEqual([]);
  });

  it.each(['configuration', 'secrets', 'one pod', 'a shell', 'impersonation'])(
    'may not reach for more (%s)',
    async (what) => {
      const question = {
        configuration: ['patch', 'validatingwebhookconfigurations'],
        secrets: ['get', 'secrets'],
        'one pod': ['get', 'pods'],
        'a shell': ['create', 'pods/exec'],
        impersonation: ['impersonate', 'users'],
      }[what];
      const as = '--as=system:serviceaccount:clonegate-system:clonegate-webhook';
      const { stdout } = await cluster.kubectl(['auth', 'can-i', ...(question ?? []), '-A', as]);
      expect(stdout.trim()).toBe('no');
    },
  );
});
