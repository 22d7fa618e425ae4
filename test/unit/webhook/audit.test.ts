import { describe, expect, it } from 'vitest';
import type { Emission } from '../../../shared/kube/events.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { audited, createAudit, verdictOf } from '../../../webhook/audit.ts';
import { parseReview } from '../../../webhook/review.ts';
import type { Handler } from '../../../webhook/ruling.ts';
import {
  annotate,
  call,
  cloneByReference,
  cloneOf,
  completed,
  createReview,
  newWorld,
  patchedBy,
  putDataSource,
  updateReview,
  type World,
  worldWithSource,
} from './world.ts';

/** All sinks, and a way to send a body through a handler into them. */
function office(auditNamespace = 'clonegate-system') {
  const events: Emission[] = [];
  const lines: Record<string, unknown>[] = [];
  const metrics = createMetrics({ process: false });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const log = createLogger({ level: 'info', name: 'webhook', destination });
  const audit = createAudit({ log, metrics, recorder: { emit: (event) => void events.push(event) }, auditNamespace });
  const send = async (handler: Handler, body: unknown) => {
    const review = parseReview(body);
    const ruling = await call(handler, body);
    const verdict = verdictOf(handler.webhook, review, ruling);
    audit.tell(verdict, 0.0123456789);
    return { verdict, response: audited(verdict, ruling.response) };
  };
  const counted = async (name: string) => (await metrics.registry.getSingleMetric(name)?.get())?.values ?? [];
  return { events, lines, audit, send, counted };
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
    expect(events.map(({ namespace }) => namespace)).toEqual(['tenant-a', 'clonegate-system']);
    expect(events[0]).toMatchObject({
      regarding: { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', namespace: 'tenant-a', name: 'disk' },
      related: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' },
      reason: 'CloneDenied',
      action: 'Authorize',
      type: 'Warning',
      budgetKey: 'jane',
    });
    expect(events[0]?.regarding).not.toHaveProperty('uid');
    expect(events[0]?.note).toMatch(
      /^user "jane" may not clone PersistentVolumeClaim golden\/fedora: .* \(decision v-1\)$/,
    );
  });

  it('is one event when both are the same namespace', async () => {
    const world = await deniedWorld();
    const { send, events } = office('tenant-a');
    await send(world.validate, unstamped(world));
    expect(events).toHaveLength(1);
  });

  it('is the same event whatever name the DataVolume has', async () => {
    const world = await deniedWorld();
    const { send, events } = office('tenant-a');
    await send(world.validate, unstamped(world));
    await send(world.validate, createReview(completed(world, cloneOf({}, { name: 'other' }))));
    expect(events[0]?.key).toBe(events[1]?.key);
  });

  it('tells the tenant nothing about where a DataSource leads, but the administrator', async () => {
    const world = await deniedWorld();
    await putDataSource(world, { namespace: 'vault', name: 'secret' });
    const { send, events } = office();
    await send(world.validate, createReview(completed(world, cloneByReference())));
    expect(JSON.stringify(events[0])).not.toMatch(/vault|secret/);
    expect(events[0]?.related).toMatchObject({ kind: 'DataSource', namespace: 'golden', name: 'latest' });
    expect(events[1]?.related).toMatchObject({ namespace: 'vault', name: 'secret' });
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

describe('a body that is no review', () => {
  it('is logged and counted', async () => {
    const { audit, lines, counted } = office();
    audit.malformed('mutate', 'request.uid: must be a text');
    expect(lines).toMatchObject([{ level: 'warn', webhook: 'mutate', detail: 'request.uid: must be a text' }]);
    expect(await counted(requests)).toMatchObject([{ labels: { decision: 'error', reason: 'MalformedReview' } }]);
  });
});
