import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type RunningController, startController } from '../../support/controller.ts';
import { type Gate, openGate } from './gate.ts';
import { Tenant } from './tenant.ts';

/** `kill -9` between any two writes: the next controller knows nothing but what the API server tells it. */

let cluster: Cluster;
let gate: Gate;
let controller: RunningController;

/** A lease that a dead leader holds is waited for; the shortest wait there is. */
const quick = ['--lease-duration=2s', '--renew-deadline=1500ms', '--retry-period=200ms'];

beforeAll(async () => {
  cluster = await startCluster({ tier: 'storage', name: 'kill' });
  gate = await openGate(cluster);
  controller = await startController(cluster, { args: quick, through: (kubeconfig) => gate.kubeconfig(kubeconfig) });
});
afterAll(async () => {
  await gate.close();
  await cluster.stop();
});

/**
 * Kills the controller when the n-th write of a clone was carried out and before it can know. The driver holds back until the status
 * says that the clone is in progress, so that every clone makes the same writes.
 * @returns the write.
 */
async function killAt(tenant: Tenant, nth: number): Promise<string> {
  let count = 0;
  const struck = new Promise<string>((resolve) => {
    gate.onWrite = async (write) => {
      if (!write.includes(`/${tenant.namespace}/`)) return;
      count += 1;
      if (count !== nth) return;
      await controller.process.kill();
      resolve(write);
    };
  });
  const faults = cluster.faults('reflink');
  await faults.set('CreateVolume', { mode: 'always', code: 'UNAVAILABLE', source: 'volume' });
  await tenant.clone('copy');
  if (nth > 3) await tenant.reaches('copy', 'CSICloneInProgress');
  else await struck;
  await faults.dispose();
  return struck;
}

test.each([
  [1, 'PATCH', 'datavolumes/copy'],
  [2, 'POST', 'persistentvolumeclaims'],
  [3, 'PATCH', 'datavolumes/copy/status'],
  [4, 'PATCH', 'datavolumes/copy/status'],
  [5, 'PATCH', 'datavolumes/copy'],
])(
  'killed at write %i (%s %s), the clone is finished by the next controller and nothing is done twice',
  async (nth, verb, path) => {
    const tenant = await Tenant.create(cluster, controller.keys, `kill-${nth}`);
    const source = await tenant.source();

    const write = await killAt(tenant, nth);
    expect([write.split(' ')[0], write.split(`/${tenant.namespace}/`)[1]]).toEqual([verb, path]);
    await controller.process.start();

    await tenant.reaches('copy', 'Succeeded');
    await until(
      'the finalizer to be gone',
      async () => (await tenant.volume('copy')).metadata.finalizers === undefined,
    );
    expect(readFileSync(await tenant.fileOf('copy')).equals(readFileSync(source))).toBe(true);
    const writes = await tenant.writes();
    expect(writes.filter((line) => line.startsWith('create'))).toEqual(['create persistentvolumeclaims']);
    expect(writes.length).toBeLessThanOrEqual(5);
  },
);
