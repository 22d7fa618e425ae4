import { expect, test } from 'vitest';
import { createExpectations } from '../../../controller/expectations.ts';
import { createStores, lookup } from '../../../controller/stores.ts';
import { uninstall } from '../../../hooks/uninstall.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { finalizer } from '../../../shared/api/names.ts';
import type { Stored } from '../../../shared/api/objects.ts';
import type { Client } from '../../../shared/kube/client.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import type { Elector } from '../../../shared/kube/lease.ts';
import { dataVolumes, type Resource } from '../../../shared/kube/resource.ts';
import { createServed } from '../../../shared/kube/served.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { FakeClock } from '../../support/clock.ts';

/** What happens, in which order. */
function setup(...names: readonly string[]) {
  const stores = createStores(() => true);
  const clock = new FakeClock();
  const seen: string[] = [];
  const events: Emission[] = [];
  const state = { deployment: true, leads: true };
  const begun = (name: string): Stored<DataVolume> => ({
    metadata: { namespace: 'team', name, uid: `uid-${name}`, resourceVersion: '1', finalizers: [finalizer] },
    spec: { source: { pvc: { namespace: 'golden', name: 'disk' } } },
    status: { phase: 'CSICloneInProgress' },
  });
  const ended = (name: string): Stored<DataVolume> => {
    const { finalizers: _, ...metadata } = begun(name).metadata;
    return { ...begun(name), metadata: { ...metadata, resourceVersion: '2' } };
  };
  for (const name of names) stores.volumes.upsert(begun(name));
  const mergePatch = async (kind: Resource<DataVolume>, { name }: { readonly name: string }, patch: object) => {
    seen.push(`patch ${kind.plural} ${name} ${JSON.stringify(patch)}`);
    if (kind.plural === dataVolumes.plural) {
      stores.volumes.upsert(ended(name));
      return ended(name);
    }
    if (!state.deployment) throw new ApiError('no such Deployment', { code: 404, reason: 'NotFound' });
    return { metadata: { name, uid: 'scale', resourceVersion: '1' } };
  };
  const elector: Elector = {
    leading: false,
    run: async (signal, lead) => {
      seen.push('lead');
      if (state.leads) await lead(signal);
    },
  };
  const run = async (wait: number): Promise<readonly string[]> =>
    await uninstall(
      {
        client: { mergePatch } as unknown as Client,
        stores,
        expectations: createExpectations((resource, key) => lookup(stores, resource, key), clock),
        elector,
        recorder: { emit: (event) => events.push(event) },
        clock,
        log: createLogger({ level: 'silent', name: 'test' }),
        metrics: createMetrics({ process: false }),
        served: createServed([]),
        self: { namespace: 'clonegate-system', podName: 'pod' },
        wait,
      },
      new AbortController().signal,
    );
  const finish = (name: string): void => stores.volumes.upsert(ended(name));
  return { clock, seen, events, state, run, finish };
}

test('clones are waited for, then the controller is stopped and its place taken, then what is left is let go of', async () => {
  const { clock, seen, events, run, finish } = setup('quick', 'slow');
  const running = run(10_000);
  await clock.advance(2000);
  expect(seen).toEqual([]);
  finish('quick');
  await clock.advance(9000);
  expect(await running).toEqual(['team/slow']);
  expect(seen).toEqual([
    'patch deployments clonegate-controller {"spec":{"replicas":0}}',
    'lead',
    'patch datavolumes slow {"metadata":{"finalizers":[]}}',
  ]);
  expect(events.map(({ reason, regarding }) => [reason, regarding.name])).toEqual([['CloneAbandoned', 'slow']]);
});

test('when all have ended, nobody waits any longer and nothing is told', async () => {
  const { clock, events, run, finish } = setup('quick');
  const running = run(3_600_000);
  finish('quick');
  await clock.advance(1000);
  expect([await running, events]).toEqual([[], []]);
});

test('where there is no Deployment any more, it goes on', async () => {
  const { clock, state, run } = setup('slow');
  state.deployment = false;
  const running = run(0);
  await clock.advance(1000);
  expect(await running).toEqual(['team/slow']);
});

test('who did not come to lead has not uninstalled', async () => {
  const { clock, state, run } = setup('slow');
  state.leads = false;
  const running = run(0).catch((error: unknown) => String(error));
  await clock.advance(1000);
  expect(await running).toContain('another controller took over');
});
