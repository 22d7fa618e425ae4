import { describe, expect, test } from 'vitest';
import { copyPodName, temporaryName } from '../../../../controller/children.ts';
import { writeRecord } from '../../../../controller/copy/record.ts';
import { annotations } from '../../../../shared/api/names.ts';
import type { PodStatus } from '../../../../shared/api/pod.ts';
import { claims, dataVolumes, pods } from '../../../../shared/kube/resource.ts';
import { stampedClone } from '../../../support/build/clones.ts';
import { key, keys, ref, Scene, signal, start, wanted } from '../scene.ts';

/** Passes over a copy: what is told of it, to whom, and when. */

const running: PodStatus = { phase: 'Running', containerStatuses: [{ name: 'copy', state: { running: {} } }] };
const failed: PodStatus = {
  phase: 'Failed',
  containerStatuses: [
    {
      name: 'copy',
      state: { terminated: { message: '{"outcome":"failed","reason":"CopyNoSpace","message":"full","retry":false}' } },
    },
  ],
};
const line = (done: number) =>
  JSON.stringify({ copy: 'progress', step: 'copying', done: String(done), total: '1000', rate: 1_048_576 });

class Copying {
  readonly scene: Scene;
  readonly reconcile: ReturnType<Scene['controller']>;

  private constructor(scene: Scene) {
    this.scene = scene;
    this.reconcile = scene.controller();
  }

  static async begun(options: Partial<typeof wanted> = {}): Promise<Copying> {
    const copying = new Copying(
      await Scene.with(await stampedClone(keys, { ...wanted, strategy: 'copy', ...options })),
    );
    await copying.pass();
    await copying.pass();
    const { api } = copying.scene;
    const place = { namespace: 'tenant', name: temporaryName(copying.scene.volume.metadata.uid) };
    const status = { phase: 'Bound', capacity: { storage: '1Gi' } };
    await api.client().mergePatch(claims, place, { spec: { volumeName: 'pv' }, status });
    await copying.pass();
    return copying;
  }

  async pass() {
    this.scene.sync();
    return this.reconcile(key, signal);
  }

  async pod(status: PodStatus): Promise<void> {
    const place = { namespace: 'tenant', name: copyPodName(this.scene.volume.metadata.uid) };
    await this.scene.api.client().mergePatch(pods, place, { status });
  }

  get told() {
    const { phase, progress, conditions } = this.scene.volume.status ?? {};
    return { phase, progress, message: conditions?.find(({ type }) => type === 'Running')?.message };
  }
}

describe('a copy that runs', () => {
  test('tells how far it is, again when it has come on, and looks again by itself', async () => {
    const copying = await Copying.begun();
    await copying.pod(running);
    copying.scene.podLog = async ({ name }) => (name.startsWith('clonegate-copy-') ? line(123) : '');

    expect(await copying.pass()).toEqual({ kind: 'after', ms: 5000 });
    expect(copying.told).toMatchObject({ phase: 'CloneInProgress', progress: 'N/A' });
    await copying.scene.clock.advance(5000);
    await copying.pass();
    expect(copying.told).toEqual({
      phase: 'CloneInProgress',
      progress: '12.30%',
      message: 'a pod copies PersistentVolumeClaim tenant/source into tenant/target: 123 of 1000 are copied, 1.0 MiB/s',
    });
    const writes = copying.scene.writes.length;
    await copying.scene.clock.advance(5000);
    await copying.pass();
    expect(copying.scene.writes).toHaveLength(writes);
    expect(copying.scene.reasons.filter((reason) => reason === 'CloneInProgress')).toHaveLength(1);
  });

  test('keeps what was told of it when another controller begins', async () => {
    const copying = await Copying.begun();
    await copying.pod(running);
    const status = { phase: 'CloneInProgress', progress: '77.00%' };
    await copying.scene.api.client().mergePatch(dataVolumes, ref, { status });
    await copying.pass();
    expect(copying.told).toMatchObject({ progress: '77.00%' });
  });

  test('tells of its end with bytes and speed, once the claim says that it is whole', async () => {
    const copying = await Copying.begun();
    const digest = `sha256:${'0'.repeat(64)}`;
    const result = { outcome: 'succeeded', bytes: '4194304', seconds: 2, digest };
    await copying.pod({
      phase: 'Succeeded',
      containerStatuses: [{ name: 'copy', state: { terminated: { message: JSON.stringify(result) } } }],
    });
    await copying.pass();

    expect(copying.scene.events.at(-1)).toMatchObject({
      reason: 'CopyFinished',
      type: 'Normal',
      note: `4194304 bytes copied in 2.0 s, 2.0 MiB/s, read again and compared (${digest})`,
    });
    expect(copying.scene.volume.metadata.annotations?.[annotations.digest]).toBe(digest);
    const metrics = await copying.scene.metrics.registry.metrics();
    expect(metrics).toContain('clonegate_copy_bytes_total 4194304');
    expect(metrics).toContain('clonegate_copy_duration_seconds_count 1');
  });
});

describe('a copy that no node can make', () => {
  test('is said to take two pods, why, and what that means, and no key is told to anybody', async () => {
    const copying = await Copying.begun();
    const message = "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.";
    const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
    await copying.pod({ phase: 'Pending', conditions: [condition] });
    await copying.pass();

    const { events, metrics, api } = copying.scene;
    expect(events.at(-1)).toMatchObject({
      reason: 'CopyOverNetwork',
      type: 'Normal',
      note: `two pods copy, over the network: one has the source and the other the target, and they talk over TLS with a key of this copy alone; for no node reaches both volumes (${message})`,
    });
    expect(await metrics.registry.metrics()).toContain('clonegate_copies_over_network_total 1');
    expect(api.calls.map(({ verb, plural }) => `${verb} ${plural}`).slice(-4)).toEqual([
      'create secrets',
      'create networkpolicies',
      'create networkpolicies',
      'create pods',
    ]);
    expect(JSON.stringify([events, copying.scene.volume])).not.toContain('a key\\n');
  });
});

describe('a copy that has failed for good', () => {
  test('says so with the real cause', async () => {
    const copying = await Copying.begun();
    await copying.pod(failed);
    await copying.pass();
    await copying.pass();
    await copying.pass();

    expect(copying.told).toMatchObject({ phase: 'Failed', message: 'the copy failed once; the last time: full' });
    expect(copying.scene.volume.status?.restartCount).toBe(1);
    expect(copying.scene.events.at(-1)).toMatchObject({ reason: 'CopyNoSpace', type: 'Warning' });
    const metrics = await copying.scene.metrics.registry.metrics();
    expect(metrics).toContain('clonegate_copy_failures_total{reason="CopyNoSpace"} 1');
    expect(metrics).toContain('clonegate_clones_total{strategy="copy",outcome="failed"} 1');
  });

  test('gives way to the next strategy, where there is one', async () => {
    const candidates = [
      { strategy: 'copy', reason: 'Preferred', message: 'asked for' },
      { strategy: 'csi-clone', reason: 'NotPreferred', message: 'copy goes before it' },
    ] as const;
    const copying = await Copying.begun({ candidates });
    await copying.pod(failed);
    await copying.pass();
    await copying.pass();
    await copying.pass();

    expect(copying.scene.volume.metadata.annotations?.[annotations.cloneType]).toBe('csi-clone');
    expect(copying.scene.events.at(-1)).toMatchObject({
      reason: 'CloneStrategyFallback',
      note: 'the storage failed at copy: the copy failed once; the last time: full; the clone goes on by csi-clone',
    });
  });
});

test('a pause after a failure is waited for, however many look at it', async () => {
  const copying = await Copying.begun();
  const record = { attempts: 1, failures: 1, reason: 'CopyIOError', message: 'm', at: start, final: false } as const;
  const noted = { [annotations.copy]: writeRecord(record) };
  await copying.scene.api.client().mergePatch(dataVolumes, ref, { metadata: { annotations: noted } });
  await copying.pass();
  const outcome = await copying.pass();

  expect(outcome).toMatchObject({ kind: 'after' });
  expect(outcome.kind === 'after' && outcome.ms).toBeLessThanOrEqual(10_000);
  expect(copying.told).toMatchObject({
    phase: 'CloneScheduled',
    message: expect.stringContaining('begun anew at 2026-'),
  });
});
