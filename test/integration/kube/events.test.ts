import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Event, Stored } from '../../../shared/api/objects.ts';
import { createRecorder, type Emission, type Recorder, type RecorderOptions } from '../../../shared/kube/events.ts';
import { events, subjectAccessReviews } from '../../../shared/kube/resource.ts';
import { systemClock } from '../../../shared/process/clock.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics, type Metrics } from '../../../shared/process/metrics.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { until } from '../../support/cluster/until.ts';
import { clientOf } from './client.ts';

const cluster = sharedCluster();
let client: Awaited<ReturnType<typeof clientOf>>;
let robot: Awaited<ReturnType<typeof clientOf>>;
let home = '';
const recorders: Recorder[] = [];
/** Milliseconds that a flush may take; it ends when all is written. */
const patience = 240_000;

/** A service account that may do with events in two namespaces what the recorder needs, and nothing else anywhere. */
beforeAll(async () => {
  client = await clientOf(cluster.kubeconfig('admin'));
  home = await createNamespace(cluster, 'recorder');
  await cluster.kubectl(['create', 'serviceaccount', 'robot', '-n', home]);
  await cluster.kubectl([
    'create',
    'clusterrole',
    `${home}-events`,
    '--verb=create,patch,get',
    '--resource=events.events.k8s.io',
  ]);
  robot = await clientOf(await cluster.serviceAccountKubeconfig(home, 'robot'));
  await grant(home);
});
afterEach(async () => {
  for (const recorder of recorders.splice(0)) await recorder.close(0);
});
afterAll(async () => {
  await robot.close();
  await client.close();
  await cluster.close();
});

/** @returns when the authorizer knows. */
async function grant(namespace: string): Promise<void> {
  const who = [`--clusterrole=${home}-events`, `--serviceaccount=${home}:robot`];
  await cluster.kubectl(['create', 'rolebinding', 'robot', ...who, '-n', namespace]);
  const resourceAttributes = { namespace, group: 'events.k8s.io', resource: 'events', verb: 'create' };
  const spec = { user: `system:serviceaccount:${home}:robot`, resourceAttributes };
  await until('the robot to have been granted events', async () => {
    const { status } = await client.review(subjectAccessReviews, { metadata: {}, spec });
    return status?.allowed;
  });
}

async function grantedNamespace(prefix: string): Promise<string> {
  const namespace = await createNamespace(cluster, prefix);
  await grant(namespace);
  return namespace;
}

function join(over: Partial<RecorderOptions> = {}): { recorder: Recorder; metrics: Metrics } {
  const metrics = createMetrics({ process: false });
  const recorder = createRecorder({
    client: robot,
    clock: systemClock,
    log: createLogger({ level: 'silent', name: 'test' }),
    metrics,
    reportingController: 'clonegate.io/webhook',
    reportingInstance: 'webhook-1',
    random: Math.random,
    fallbackNamespace: home,
    ...over,
  });
  recorders.push(recorder);
  return { recorder, metrics };
}

function denial(namespace: string, over: Partial<Emission> = {}): Emission {
  return {
    namespace,
    regarding: { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', namespace, name: 'clone-of-win' },
    related: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'win' },
    reason: 'CloneDenied',
    action: 'Authorize',
    type: 'Warning',
    note: 'user "jane" may not clone golden/win',
    labels: { 'clonegate.io/target': 'clone-of-win' },
    ...over,
  };
}

async function eventsIn(namespace: string): Promise<Stored<Event>[]> {
  const found: Stored<Event>[] = [];
  for await (const page of client.pages(events, { namespace })) found.push(...page.items);
  return found;
}

test('an admin finds a denial by reason, by reporter and by label', async () => {
  const namespace = await grantedNamespace('find');
  const { recorder } = join();
  recorder.emit(denial(namespace));
  await recorder.flush(patience);
  for (const search of [
    ['events', '--field-selector', 'reason=CloneDenied'],
    ['events', '--field-selector', 'reportingComponent=clonegate.io/webhook,involvedObject.name=clone-of-win'],
    ['events.events.k8s.io', '--field-selector', 'reportingController=clonegate.io/webhook,regarding.kind=DataVolume'],
    ['events', '-l', 'clonegate.io/target=clone-of-win'],
  ]) {
    const { stdout } = await cluster.kubectl(['get', ...search, '-n', namespace]);
    expect(stdout).toContain('CloneDenied');
    expect(stdout).toContain('user "jane" may not clone golden/win');
  }
});

test('two replicas that see the same make one event, and its count is the sum', async () => {
  const namespace = await grantedNamespace('series');
  const one = join();
  const two = join({ reportingInstance: 'webhook-2' });
  for (let round = 0; round < 5; round += 1) {
    for (let each = 0; each < 10; each += 1) {
      one.recorder.emit(denial(namespace));
      two.recorder.emit(denial(namespace));
    }
    await Promise.all([one.recorder.flush(patience), two.recorder.flush(patience)]);
  }
  const found = await eventsIn(namespace);
  // The test may run across the border of two windows; then there are two events, and the sum is still right.
  expect(found.length).toBeLessThanOrEqual(2);
  expect(found.reduce((sum, { series }) => sum + (series?.count ?? 1), 0)).toBe(100);
  expect(found[0]?.series?.lastObservedTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/u);
});

test('what users can write into it does not keep an event from being written', async () => {
  const namespace = await grantedNamespace('hostile');
  const { recorder, metrics } = join({ reportingInstance: 'x'.repeat(300) });
  const text = 'line\r\nbreak \u0000\u202E \uD800 ' + '😀'.repeat(1000);
  recorder.emit(
    denial(namespace, {
      note: text,
      regarding: { kind: 'DataVolume', namespace, name: text },
      related: { name: text },
      labels: { 'clonegate.io/target': text },
      annotations: { 'clonegate.io/user': text },
    }),
  );
  await recorder.flush(patience);
  const [found] = await eventsIn(namespace);
  expect(found?.note).toMatch(/^line break {3}� 😀+…$/u);
  expect(await metrics.registry.metrics()).toContain('clonegate_events_total{type="Warning",reason="CloneDenied"} 1');
});

test('an event whose namespace is gone, or closed to us, goes to the fallback namespace', async () => {
  const closed = await createNamespace(cluster, 'closed');
  const { recorder, metrics } = join();
  recorder.emit(denial(`${home}-missing`, { reason: 'CloneRejected' }));
  recorder.emit(denial(closed, { reason: 'CloneRejected' }));
  await recorder.flush(patience);
  const redirected = (await eventsIn(home)).filter(({ reason }) => reason === 'CloneRejected');
  expect(new Set(redirected.map(({ regarding }) => regarding.namespace))).toEqual(new Set([closed, `${home}-missing`]));
  const text = await metrics.registry.metrics();
  expect(text).toContain('clonegate_events_total{type="Warning",reason="CloneRejected"} 2');
});

test('a namespace that is going away takes no events; they go to the fallback namespace', async () => {
  const leaving = await grantedNamespace('leaving');
  // Nobody runs here who would finish the deletion, so the namespace stays as it is: terminating.
  await cluster.kubectl(['delete', 'namespace', leaving, '--wait=false']);
  const { recorder } = join();
  recorder.emit(denial(leaving, { reason: 'StampInvalid' }));
  await recorder.flush(patience);
  expect((await eventsIn(home)).filter(({ reason }) => reason === 'StampInvalid').length).toBe(1);
});

test('without any place for it, an event is given up and counted', async () => {
  const closed = await createNamespace(cluster, 'nowhere');
  const { recorder, metrics } = join({ fallbackNamespace: closed });
  recorder.emit(denial(closed));
  await recorder.flush(patience);
  expect(await metrics.registry.metrics()).toContain('clonegate_events_dropped_total{cause="refused"} 1');
});
