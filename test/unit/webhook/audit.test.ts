import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../shared/kube/errors.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import { createServed } from '../../../shared/kube/served.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { createAudit } from '../../../webhook/audit.ts';
import type { EventPolicy } from '../../../webhook/notices.ts';
import { parseReview } from '../../../webhook/review.ts';
import type { Handler } from '../../../webhook/ruling.ts';
import { audited, verdictOf } from '../../../webhook/verdict.ts';
import {
  annotate,
  call,
  cloneByReference,
  cloneOf,
  completed,
  createReview,
  jane,
  newWorld,
  patchedBy,
  putDataSource,
  updateReview,
  type World,
  worldWithSource,
} from './world.ts';

/** All sinks, and a way to send a body through a handler into them. */
function office(changes: Partial<EventPolicy> = {}) {
  const policy: EventPolicy = {
    auditNamespace: 'clonegate-system',
    denied: true,
    allowed: false,
    shadow: true,
    inTargetNamespace: true,
    inSourceNamespace: false,
    served: createServed([]),
    ...changes,
  };
  const events: Emission[] = [];
  const lines: Record<string, unknown>[] = [];
  const metrics = createMetrics({ process: false });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const log = createLogger({ level: 'info', name: 'webhook', destination });
  const audit = createAudit({ log, metrics, recorder: { emit: (event) => void events.push(event) }, events: policy });
  const send = async (handler: Handler, body: unknown) => {
    const review = parseReview(body);
    const ruling = await call(handler, body);
    const verdict = verdictOf(handler.webhook, review, ruling);
    audit.tell(verdict, 0.0123456789);
    return { verdict, response: audited(verdict, ruling.response) };
  };
  const tellWith = async (handler: Handler, body: unknown, emit: () => void) => {
    const broken = createAudit({ log, metrics, recorder: { emit }, events: policy });
    broken.tell(verdictOf(handler.webhook, parseReview(body), await call(handler, body)), 0.1);
  };
  const counted = async (name: string) => (await metrics.registry.getSingleMetric(name)?.get())?.values ?? [];
  return { events, lines, audit, send, tellWith, counted };
}

const requests = 'clonegate_admission_requests_total';
const unstamped = (world: World) => createReview(completed(world, cloneOf()), { uid: 'v-1' });

async function deniedWorld(): Promise<World> {
  const world = await worldWithSource();
  world.answer = 'no';
  return world;
}

describe('a refusal', () => {
  it('becomes an event where the user sees it, and a copy where the administrator does', async () => {
    const world = await deniedWorld();
    const { send, events } = office();
    await send(world.validate, unstamped(world));
    expect(events.map(({ namespace }) => namespace)).toEqual(['clonegate-system', 'tenant-a']);
    expect(events[1]).toMatchObject({
      regarding: { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', namespace: 'tenant-a', name: 'disk' },
      related: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' },
      reason: 'CloneDenied',
      action: 'Authorize',
      type: 'Warning',
    });
    expect(events[1]?.regarding).not.toHaveProperty('uid');
    expect(events[1]?.note).toMatch(
      /^user "jane" may not clone PersistentVolumeClaim golden\/fedora: .* \(decision v-1\)$/,
    );
  });

  it('is one event when both are the same namespace', async () => {
    const world = await deniedWorld();
    const { send, events } = office({ auditNamespace: 'tenant-a' });
    await send(world.validate, unstamped(world));
    expect(events).toHaveLength(1);
  });

  it('is the same event whatever name the DataVolume has', async () => {
    const world = await deniedWorld();
    const { send, events } = office({ auditNamespace: 'tenant-a' });
    await send(world.validate, unstamped(world));
    await send(world.validate, createReview(completed(world, cloneOf({}, { name: 'other' }))));
    expect(events[0]?.key).toBe(events[1]?.key);
  });

  it('tells the tenant nothing about where a DataSource leads, but the administrator', async () => {
    const world = await deniedWorld();
    await putDataSource(world, { namespace: 'vault', name: 'secret' });
    const { send, events } = office();
    await send(world.validate, createReview(completed(world, cloneByReference())));
    expect(JSON.stringify(events[1])).not.toMatch(/vault|secret/);
    expect(events[1]?.related).toMatchObject({ kind: 'DataSource', namespace: 'golden', name: 'latest' });
    expect(events[0]?.related).toMatchObject({ namespace: 'vault', name: 'secret' });
  });

  it('of a dry run is no event, but counted and logged', async () => {
    const world = await deniedWorld();
    const { send, events, lines, counted } = office();
    await send(world.validate, createReview(completed(world, cloneOf()), { dryRun: true }));
    expect(events).toEqual([]);
    expect(lines).toMatchObject([{ decision: 'deny', dryRun: true }]);
    expect(await counted(requests)).toMatchObject([{ labels: { decision: 'deny', dry_run: 'true' } }]);
  });

  it('is told alike by the response, the event, the log, the counter and the audit log', async () => {
    const world = await deniedWorld();
    const { send, events, lines, counted } = office();
    const { response } = await send(world.validate, unstamped(world));
    expect(response.auditAnnotations).toEqual({
      decision: 'deny',
      'decision-id': 'v-1',
      reason: 'CloneDenied',
      access: 'denied',
      asked: 'PersistentVolumeClaim golden/fedora',
      source: 'PersistentVolumeClaim golden/fedora',
    });
    expect(events[0]?.reason).toBe('CloneDenied');
    expect(lines).toMatchObject([
      {
        level: 'info',
        webhook: 'validate',
        requestUID: 'v-1',
        decisionID: 'v-1',
        dataVolume: { namespace: 'tenant-a', name: 'disk' },
        source: { namespace: 'golden', name: 'fedora' },
        username: 'jane',
        groupsCount: 2,
        decision: 'deny',
        reason: 'CloneDenied',
        duration: 0.012346,
      },
    ]);
    const labels = {
      webhook: 'validate',
      operation: 'CREATE',
      decision: 'deny',
      reason: 'CloneDenied',
      dry_run: 'false',
    };
    expect(await counted(requests)).toMatchObject([{ labels, value: 1 }]);
  });

  it('never puts private claims of the user into the log', async () => {
    const world = await deniedWorld();
    const { send, lines } = office();
    await send(world.validate, unstamped(world));
    expect(JSON.stringify(lines)).not.toMatch(/clearance|secret|tenants/);
  });

  it('of an update names the object that exists by its uid', async () => {
    const world = newWorld();
    const { send, events } = office();
    const stored = completed(world, cloneOf());
    await send(world.validate, updateReview(stored, annotate(stored, { 'clonegate.io/stamp': 'x' })));
    expect(events[0]).toMatchObject({
      reason: 'ReservedAnnotation',
      action: 'Validate',
      regarding: { uid: 'volume-uid' },
    });
  });
});

describe('a question without an answer', () => {
  it('is an error and not a refusal, with its cause in the log alone', async () => {
    const world = await worldWithSource();
    world.answer = new ApiError('etcd is away', { code: 500, reason: 'InternalError' });
    const { send, events, lines } = office();
    const { verdict } = await send(world.validate, unstamped(world));
    expect(verdict).toMatchObject({ decision: 'error', reason: 'CloneAuthorizationFailed' });
    expect(events[0]?.reason).toBe('CloneAuthorizationFailed');
    expect(JSON.stringify(events)).not.toContain('etcd');
    expect(lines).toMatchObject([{ level: 'error', err: { message: 'etcd is away' } }]);
  });

  it('in mutate is a warning in the log', async () => {
    const world = await worldWithSource();
    world.answer = new Error('etcd is away');
    const { send, events, lines } = office();
    await send(world.mutate, createReview(cloneOf()));
    expect(events).toEqual([]);
    expect(lines).toMatchObject([{ level: 'warn', msg: 'Clone left unstamped', err: { message: 'etcd is away' } }]);
  });
});

describe('an admission', () => {
  it('is no event; its line and its count carry the strategy, why, and the id that mutate gave', async () => {
    const world = await worldWithSource();
    const { send, events, lines, counted } = office();
    const mutated = patchedBy(cloneOf(), (await send(world.mutate, createReview(cloneOf(), { uid: 'm-1' }))).response);
    const { response } = await send(world.validate, createReview(completed(world, mutated), { uid: 'v-1' }));
    expect(events).toEqual([]);
    expect(lines).toMatchObject([
      {
        requestUID: 'v-1',
        decisionID: 'm-1',
        decision: 'allow',
        reason: 'Preferred',
        strategy: 'csi-clone',
        access: 'stamped',
      },
    ]);
    expect(response.auditAnnotations).toMatchObject({ 'decision-id': 'm-1', strategy: 'csi-clone' });
    expect(await counted('clonegate_decisions_total')).toMatchObject([
      { labels: { strategy: 'csi-clone', reason: 'Preferred' }, value: 1 },
    ]);
  });

  it('that waits is counted by what it waits for', async () => {
    const world = newWorld();
    const { send, counted } = office();
    const mutated = patchedBy(cloneOf(), (await send(world.mutate, createReview(cloneOf()))).response);
    await send(world.validate, createReview(completed(world, mutated)));
    expect(await counted('clonegate_decisions_total')).toMatchObject([
      { labels: { strategy: '', reason: 'SourceNotFound' } },
    ]);
  });
});

describe('an event', () => {
  it('tells programs what the log line tells, under the same id', async () => {
    const world = await deniedWorld();
    const { send, events, lines } = office();
    await send(world.validate, unstamped(world));
    expect(events[0]?.annotations).toEqual({
      'clonegate.io/decision-id': lines[0]?.['decisionID'],
      'clonegate.io/verdict': lines[0]?.['decision'],
      'clonegate.io/code': lines[0]?.['reason'],
      'clonegate.io/user': lines[0]?.['username'],
      'clonegate.io/target': 'tenant-a/disk',
      'clonegate.io/source': 'PersistentVolumeClaim golden/fedora',
    });
    expect(events[0]?.labels).toEqual({ 'app.kubernetes.io/managed-by': 'clonegate' });
  });

  it('keeps the id of the decision however long the rest is, within 1,024 bytes', async () => {
    const world = await deniedWorld();
    const { send, events } = office();
    const user = { ...jane, username: `${'ü'.repeat(2000)}\n"injected"` };
    await send(world.validate, createReview(completed(world, cloneOf()), { uid: 'v-1', user }));
    for (const { note } of events) {
      expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024);
      expect(note).toMatch(/^user "ü+.* \(decision v-1\)$/);
      expect(note).not.toContain('\n');
    }
  });

  it('names what is to be created under a name that is yet to be made', async () => {
    const world = await deniedWorld();
    const { send, events } = office();
    const { metadata, ...rest } = cloneOf();
    expect(metadata.name).toBe('disk');
    await send(world.validate, createReview({ ...rest, metadata: { generateName: 'vm-disk-' } }));
    expect(events[0]?.regarding.name).toBe('vm-disk-*');
    expect(events[0]?.regarding.namespace).toBe('tenant-a');
  });

  it('does not remember names of any length for the sake of budgets', async () => {
    const world = await deniedWorld();
    const { send, events } = office();
    const user = { ...jane, username: 'x'.repeat(1 << 20) };
    await send(world.validate, createReview(completed(world, cloneOf()), { user }));
    expect(events[0]?.budgetKey).toHaveLength(44);
    await send(world.validate, createReview(completed(world, cloneOf())));
    expect(events.at(-1)?.budgetKey).not.toBe(events[0]?.budgetKey);
  });

  it("in the source's namespace says who, into what and the verdict, and no more", async () => {
    const world = await deniedWorld();
    await putDataSource(world, { name: 'fedora' });
    const { send, events } = office({ inSourceNamespace: true });
    await send(world.validate, createReview(completed(world, cloneByReference()), { uid: 'v-1' }));
    expect(events.map(({ namespace }) => namespace)).toEqual(['clonegate-system', 'tenant-a', 'golden']);
    expect(events[2]).toMatchObject({
      regarding: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' },
      related: { kind: 'DataVolume', namespace: 'tenant-a', name: 'disk' },
      reason: 'CloneDenied',
      note: 'user "jane" was refused to clone this (CloneDenied); target: DataVolume tenant-a/disk (decision v-1)',
      fallback: false,
    });
    expect(events[2]?.annotations).not.toHaveProperty('clonegate.io/chosen-strategy');
  });

  it.each([
    ['the source is in the same namespace', { source: { pvc: { name: 'mine' } } }, {}],
    ['the source is in the audit namespace', {}, { auditNamespace: 'golden' }],
  ])('is not written twice into one namespace (%s)', async (_, spec, policy) => {
    const world = await deniedWorld();
    const { send, events } = office({ inSourceNamespace: true, ...policy });
    await send(world.validate, createReview(completed(world, cloneOf(spec))));
    const places = events.map(({ namespace }) => namespace);
    expect(places).toHaveLength(new Set(places).size);
    expect(places).toHaveLength(2);
  });

  it.each([
    [{ denied: false }, []],
    [{ inTargetNamespace: false }, ['clonegate-system']],
    [{ inTargetNamespace: false, inSourceNamespace: true }, ['clonegate-system', 'golden']],
    // Elsewhere we may not write.
    [{ inSourceNamespace: true, served: createServed(['golden']) }, ['clonegate-system', 'golden']],
    [{ inSourceNamespace: true, served: createServed(['tenant-a']) }, ['clonegate-system', 'tenant-a']],
  ])('is written as the administrator wants: %j', async (policy, places) => {
    const world = await deniedWorld();
    const { send, events } = office(policy);
    await send(world.validate, unstamped(world));
    expect(events.map(({ namespace }) => namespace)).toEqual(places);
  });
});

describe('an authorized clone', () => {
  async function admitted(policy: Partial<EventPolicy>) {
    const world = await worldWithSource();
    const told = office(policy);
    const mutated = patchedBy(cloneOf(), (await told.send(world.mutate, createReview(cloneOf()))).response);
    await told.send(world.validate, createReview(completed(world, mutated), { uid: 'v-1' }));
    return told.events;
  }

  it('is an event where the administrator wants that, and says authorized, not created', async () => {
    expect(await admitted({})).toEqual([]);
    const events = await admitted({ allowed: true, inSourceNamespace: true });
    expect(events.map(({ namespace }) => namespace)).toEqual(['clonegate-system', 'tenant-a', 'golden']);
    expect(events[1]).toMatchObject({
      reason: 'CloneAuthorized',
      type: 'Normal',
      action: 'Authorize',
      regarding: { name: 'disk', uid: 'volume-uid' },
      note: 'user "jane" may clone PersistentVolumeClaim golden/fedora by csi-clone (decision request-1)',
    });
    expect(events[2]?.note).toBe('user "jane" may clone this; target: DataVolume tenant-a/disk (decision request-1)');
  });
});

describe('a sink that fails', () => {
  it('takes neither the others nor the webhook with it', async () => {
    const world = await deniedWorld();
    const { lines, counted, tellWith } = office();
    await tellWith(world.validate, unstamped(world), () => {
      throw new Error('oops');
    });
    expect(lines.map(({ msg }) => msg)).toEqual(['Admission answered', 'Verdict not recorded']);
    expect(await counted(requests)).toMatchObject([{ value: 1 }]);
  });
});

describe('a body that is no review', () => {
  it('is logged and counted', async () => {
    const { audit, lines, counted } = office();
    audit.malformed('mutate', 'request.uid: must be a text');
    expect(lines).toMatchObject([{ level: 'warn', webhook: 'mutate', detail: 'request.uid: must be a text' }]);
    expect(await counted(requests)).toMatchObject([{ labels: { decision: 'error', reason: 'MalformedReview' } }]);
  });
});
