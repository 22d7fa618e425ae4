import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventAnnotations, labels } from '../../../shared/api/names.ts';
import type { Event, Stored } from '../../../shared/api/objects.ts';
import { type ApiGate, openGate } from '../../support/apigate.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { type Caller, callerOf, metric, reviewOf } from './calls.ts';
import { clone, create, must, setScene } from './scene.ts';

/** What an administrator finds of refusals afterwards, on a real API server: in events, in the audit log, in metrics. */

const system = 'clonegate-system';

let cluster: Cluster;
let gate: ApiGate;
let webhook: RunningWebhook;
let caller: Caller;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'audit' });
  gate = await openGate(cluster);
  webhook = await startWebhook(cluster, { through: gate.through, args: ['--events-in-source-namespace'] });
  await setScene(cluster);
  caller = callerOf(webhook);
});

afterAll(async () => {
  await caller?.[Symbol.asyncDispose]();
  await cluster?.stop();
  await gate?.[Symbol.asyncDispose]();
});

afterEach(() => {
  gate.fate = () => 'pass';
  gate.release();
});

type Found = Stored<Event>;

async function events(selector = ''): Promise<readonly Found[]> {
  const path = `/apis/events.k8s.io/v1/events?limit=5000${selector}`;
  return (await cluster.api.get<{ readonly items: readonly Found[] }>(path)).items;
}

/** Events about this source, once there are so many; they are written after the answer. */
async function eventsAbout(source: string, count: number): Promise<readonly Found[]> {
  return await until(`${count} events about ${source}`, async () => {
    const found = (await events()).filter(
      ({ metadata }) => metadata.annotations?.[eventAnnotations.source] === `PersistentVolumeClaim golden/${source}`,
    );
    return found.length >= count && found;
  });
}

const occurrences = (found: readonly Found[]): number =>
  found.reduce((sum, { series }) => sum + (series?.count ?? 1), 0);
const namespacesOf = (found: readonly Found[]): string[] =>
  found.map(({ metadata }) => metadata.namespace ?? '').toSorted();
const from = (source: string) => ({ source: { pvc: { namespace: 'golden', name: source } } });
const isEventWrite = ({ method, path }: { method: string; path: string }): boolean =>
  method !== 'GET' && path.includes('/events');

/** Settled: what was emitted so far is written or counted as dropped. */
async function recorded(more: number, act: () => Promise<unknown>): Promise<void> {
  const sum = async (): Promise<number> =>
    (await metric(webhook, 'clonegate_events_total')) + (await metric(webhook, 'clonegate_events_dropped_total'));
  const before = await sum();
  await act();
  await until(`${more} occurrences to be recorded`, async () => (await sum()) - before >= more);
}

describe('a create that was denied', () => {
  it('is one event for the user, one for the administrator, one for the owner of the source', async () => {
    const { code } = await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'once' }, from('one')));
    expect(code).toBe(1);
    const found = await eventsAbout('one', 3);
    expect(namespacesOf(found)).toEqual([system, 'golden', 'tenant-b']);
    expect(occurrences(found)).toBe(3);
    for (const event of found) {
      expect(event).toMatchObject({ reason: 'CloneDenied', type: 'Warning', action: 'Authorize' });
      expect(event.metadata.labels).toEqual({ [labels.managedBy]: 'clonegate' });
      expect(event.regarding).not.toHaveProperty('uid');
    }
    const [audit, owner, user] = found.toSorted((a, b) =>
      (a.metadata.namespace ?? '').localeCompare(b.metadata.namespace ?? ''),
    );
    const target = { kind: 'DataVolume', namespace: 'tenant-b', name: 'once' };
    const source = { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'one' };
    for (const event of [audit, user]) expect(event).toMatchObject({ regarding: target, related: source });
    expect(owner).toMatchObject({ regarding: source, related: target });
  });

  it('has the same id in the events, in the audit log, and in the log', async () => {
    await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'traced' }, from('traced')));
    const ids = new Set(
      (await eventsAbout('traced', 3)).map((event) => event.metadata.annotations?.[eventAnnotations.decisionId]),
    );
    expect(ids.size).toBe(1);
    const [id = ''] = ids;
    const key = 'validate.datavolumes.clonegate.io/decision-id';
    await until('the id in the audit log', async () =>
      (await cluster.auditEvents()).some(({ annotations }) => annotations?.[key] === id),
    );
  });

  it('is found by the queries that administrators use', async () => {
    await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'queried' }, from('queried')));
    await eventsAbout('queried', 3);
    const everywhere = await must(cluster.kubectl(['get', 'events', '-A', '--field-selector', 'reason=CloneDenied']));
    for (const namespace of [system, 'tenant-b', 'golden']) expect(everywhere).toContain(namespace);
    const own = await must(cluster.kubectl(['events', '-n', 'tenant-b', '--for', 'datavolume/queried']));
    expect(own).toContain('user "tenant-b" may not clone PersistentVolumeClaim golden/queried');
  });

  it('leaves nothing when it was a dry run', async () => {
    const volume = clone({ namespace: 'tenant-b', name: 'dry' }, from('dry'));
    await recorded(3, async () => {
      await create(cluster, 'tenant-b', volume, '--dry-run=server');
      await create(cluster, 'tenant-b', clone({ namespace: 'tenant-b', name: 'wet' }, from('wet')));
    });
    expect(await eventsAbout('dry', 0)).toEqual([]);
    expect(await eventsAbout('wet', 3)).toHaveLength(3);
    const dryRun = (await cluster.auditEvents()).filter(
      ({ annotations }) =>
        annotations?.['validate.datavolumes.clonegate.io/asked'] === 'PersistentVolumeClaim golden/dry',
    );
    expect(dryRun.map(({ annotations }) => annotations?.['validate.datavolumes.clonegate.io/decision'])).toEqual([
      'deny',
    ]);
  });

  it('without a name, and without a namespace in the object, is told by what is known', async () => {
    const { metadata: _, ...rest } = clone({}, from('nameless'));
    const volume = { ...rest, metadata: { generateName: 'vm-disk-' } };
    await create(cluster, 'tenant-b', volume, '-n', 'tenant-b');
    const names = (await eventsAbout('nameless', 3)).flatMap(({ regarding, related }) =>
      [regarding, related].filter((reference) => reference?.kind === 'DataVolume'),
    );
    // The validating webhook sees the name that was generated.
    for (const reference of names) {
      expect(reference?.namespace).toBe('tenant-b');
      expect(reference?.name).toMatch(/^vm-disk-/);
    }
  });
});

describe('strange names', () => {
  it.each([
    ['control characters and line breaks', 'eve\nCloneAuthorized\u0000\u001B[2K'],
    ['text that runs backwards', '\u202Eenaj\u2066'],
    ['thousands of characters', 'ü'.repeat(3000)],
    ['half a character', 'x\uD800'],
    ['quotes and commands', `"; $(reboot) \`id\` '`],
  ])('of users with %s are events that the API server takes, of one line', async (what, username) => {
    const source = `strange-${what.replaceAll(/[^a-z]+/g, '-')}`;
    const groups = ['a\nb', '\u202E', 'ü'.repeat(500), 'system:authenticated'];
    const response = await caller.review('/validate', reviewOf({ source, user: { username, groups } }));
    expect(response).toMatchObject({ allowed: false, status: { code: 403 } });
    for (const { note } of await eventsAbout(source, 3)) {
      expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
      expect(note).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(note).toMatch(/\(decision u-1\)$/);
    }
  });

  it('of ServiceAccounts come with the command that grants the right, and it works', async () => {
    const as = ['--as=system:serviceaccount:ci:builder', '--as-group=system:serviceaccounts', '--as-group=tenants'];
    await must(
      cluster.kubectl([
        'create',
        'rolebinding',
        'builder',
        '--clusterrole=datavolume-editor',
        '--serviceaccount=ci:builder',
        '-n',
        'tenant-b',
      ]),
    );
    const volume = clone({ namespace: 'tenant-b', name: 'built' });
    const { stderr } = await create(cluster, 'admin', volume, ...as);
    const command = /kubectl (create rolebinding .*)/.exec(stderr)?.[1] ?? '';
    expect(command).toContain('--serviceaccount=ci:builder');
    await must(cluster.kubectl(command.trim().split(' ')));
    await until('the right to be heeded', async () => (await create(cluster, 'admin', volume, ...as)).code === 0);
  });
});

describe('many refusals', () => {
  it('of one user and source are one event in each place, with an exact count', async () => {
    const labelled = { webhook: 'validate', decision: 'deny', reason: 'CloneDenied', dry_run: 'false' };
    const before = await metric(webhook, 'clonegate_admission_requests_total', labelled);
    await recorded(3000, async () => {
      const bodies = Array.from({ length: 1000 }, (_, number) => reviewOf({ source: 'flood', name: `loop-${number}` }));
      await Promise.all(bodies.map((body) => caller.review('/validate', body)));
    });
    expect((await metric(webhook, 'clonegate_admission_requests_total', labelled)) - before).toBe(1000);
    // Among those that were recorded may be some of a test before.
    const found = await until('all to be written', async () => {
      const present = await eventsAbout('flood', 3);
      return occurrences(present) >= 3000 && present;
    });
    // A window of events may end in between.
    expect(found.length).toBeLessThanOrEqual(6);
    expect(occurrences(found)).toBe(3000);
  });

  it('of one user and many sources are few events, the others counted, and nobody else pays for them', async () => {
    const user = { username: 'prober', groups: ['system:authenticated'] };
    const dropped = await metric(webhook, 'clonegate_events_dropped_total', { cause: 'key-budget' });
    await recorded(3000, async () => {
      const bodies = Array.from({ length: 1000 }, (_, number) => reviewOf({ user, source: `probe-${number}` }));
      await Promise.all(bodies.map((body) => caller.review('/validate', body)));
    });
    const lost = await until('all to be written or counted as lost', async () => {
      const mine = (await events()).filter(
        ({ metadata }) => metadata.annotations?.[eventAnnotations.user] === 'prober',
      );
      const count = (await metric(webhook, 'clonegate_events_dropped_total', { cause: 'key-budget' })) - dropped;
      return occurrences(mine) + count === 3000 && count;
    });
    expect(lost).toBeGreaterThan(2500);
    await until('the summary', async () => (await events()).some(({ reason }) => reason === 'EventsSuppressed'));
    await caller.review('/validate', reviewOf({ source: 'after-the-flood' }));
    expect(await eventsAbout('after-the-flood', 3)).toHaveLength(3);
  });
});

describe('two replicas', () => {
  it('count into the same event', async () => {
    const second = await startWebhook(cluster, { name: 'replica', replicaOf: webhook, through: gate.through });
    const other = callerOf(second);
    for (const [number, each] of [caller, other, caller, other].entries())
      await each.review('/validate', reviewOf({ source: 'shared', uid: `u-${number}`, name: `n-${number}` }));
    const found = await until('both to have counted', async () => {
      const present = (await eventsAbout('shared', 3)).filter(({ metadata }) => metadata.namespace === 'tenant-b');
      return occurrences(present) === 4 && present;
    });
    // Two, should the window of ten minutes have ended between them.
    expect(found.length).toBeLessThanOrEqual(2);
    await other[Symbol.asyncDispose]();
    await second.process.kill('SIGTERM');
  });
});

describe('a namespace that does not take its event', () => {
  it('has it in the audit namespace, and the source has none then', async () => {
    const before = await metric(webhook, 'clonegate_events_redirected_total', { cause: 'not-found' });
    await caller.review('/validate', reviewOf({ source: 'homeless', namespace: 'nowhere' }));
    const found = await eventsAbout('homeless', 3);
    expect(namespacesOf(found)).toEqual([system, system, 'golden']);
    expect((await metric(webhook, 'clonegate_events_redirected_total', { cause: 'not-found' })) - before).toBe(1);
  });
});

describe('while events cannot be written', () => {
  const denied = { allowed: false, status: { code: 403, message: expect.stringMatching(/^CloneDenied: /) } };

  let calm = 0;

  beforeEach(async () => {
    // What was emitted before would be counted here as well.
    calm += 1;
    await recorded(3, async () => await caller.review('/validate', reviewOf({ source: `calm-${calm}` })));
  });

  it.each([
    [403, 'refused'],
    [422, 'refused'],
    [500, 'unreachable'],
  ] as const)('(%i) the verdict is the same, and what is lost is counted as %s', async (code, cause) => {
    gate.fate = (call) => (isEventWrite(call) ? code : 'pass');
    const before = await metric(webhook, 'clonegate_events_dropped_total', { cause });
    expect(await caller.review('/validate', reviewOf({ source: `lost-${code}` }))).toMatchObject(denied);
    await until(
      'the loss to be counted',
      async () => (await metric(webhook, 'clonegate_events_dropped_total', { cause })) - before >= 3,
    );
  });

  it('because the API server is slow, answers do not wait for them', async () => {
    gate.fate = (call) => (isEventWrite(call) ? 'hold' : 'pass');
    expect(await caller.review('/validate', reviewOf({ source: 'slow' }))).toMatchObject(denied);
    await until('an event to be on its way', () => gate.held > 0);
    expect(await caller.review('/validate', reviewOf({ source: 'slower' }))).toMatchObject(denied);
    expect(await eventsAbout('slow', 0)).toEqual([]);
    gate.fate = () => 'pass';
    gate.release();
    expect(await eventsAbout('slower', 3)).toHaveLength(3);
  });
});

describe('a question that could not be answered', () => {
  it('is never recorded as a refusal, nor a refusal as one', async () => {
    gate.fate = ({ path }) => (path.includes('subjectaccessreviews') ? 'reset' : 'pass');
    const response = await caller.review('/validate?timeout=1s', reviewOf({ source: 'unclear' }));
    expect(response.status).toMatchObject({ code: 503, message: expect.stringMatching(/^CloneAuthorizationFailed: /) });
    gate.fate = () => 'pass';
    await caller.review('/validate', reviewOf({ source: 'clear' }));
    for (const { reason } of await eventsAbout('unclear', 2)) expect(reason).toBe('CloneAuthorizationFailed');
    for (const { reason } of await eventsAbout('clear', 3)) expect(reason).toBe('CloneDenied');
  });
});

describe('whether a source exists', () => {
  it('does not show in the words, the warnings or the time of a refusal', async () => {
    // The source is not even waited for.
    gate.fate = ({ method, path }) =>
      method === 'GET' && /\/persistentvolumeclaims\/[a-z]/.test(path) ? 'hold' : 'pass';
    const answers = await Promise.all(
      ['fedora', 'absent'].map(async (name) => {
        const volume = clone({ namespace: 'tenant-b', name: 'probe' }, from(name));
        const { stderr } = await create(cluster, 'tenant-b', volume, '--dry-run=server');
        return stderr.replaceAll(name, 'NAME');
      }),
    );
    expect(answers[0]).toContain('may not clone');
    expect(answers[0]).toBe(answers[1]);
    expect(answers.join()).not.toContain('Warning');
  });
});
