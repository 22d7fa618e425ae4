import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { childLabels, temporaryName } from '../../../controller/children.ts';
import type { CloneSource } from '../../../shared/api/datavolume.ts';
import type { Strategy } from '../../../shared/api/names.ts';
import { generateStampKeys } from '../../../shared/trust/keys.ts';
import { until } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { type RunningController, startController } from '../../support/controller.ts';
import { controllerUser, Tenant } from './tenant.ts';

/** The controller with Roles in two namespaces, and no more than the reading of volumes and storage beyond them. */

const cluster = sharedCluster();
let controller: RunningController;
let golden: Tenant;
let tenant: Tenant;
let file: string;
/** Calls in the audit log that were made before, by the controllers of other files. */
let seen = 0;

beforeAll(async () => {
  seen = (await cluster.auditEvents()).length;
  const keys = await generateStampKeys();
  const [from, into] = [await createNamespace(cluster, 'golden'), await createNamespace(cluster, 'tenant')];
  controller = await startController(cluster, { keys, namespaces: [from, into] });
  golden = new Tenant(cluster, keys, from);
  tenant = new Tenant(cluster, keys, into);
  await golden.grant();
  file = await golden.source();
});

afterAll(async () => {
  await controller?.process.kill('SIGTERM');
  const mine = ['clusterrole/clonegate-controller', 'clusterrolebinding/clonegate-controller'];
  await cluster.kubectl(['delete', ...mine]);
  await cluster.close();
});

const sourceIn = ({ namespace }: Tenant): CloneSource => ({ kind: 'PersistentVolumeClaim', namespace, name: 'source' });

test.each<Strategy>(['csi-clone', 'snapshot'])(
  'a clone from the one into the other by %s has its bytes',
  async (strategy) => {
    await tenant.clone(strategy, { source: sourceIn(golden), strategy });
    await tenant.reaches(strategy, 'Succeeded');

    expect(readFileSync(await tenant.fileOf(strategy)).equals(readFileSync(file))).toBe(true);
    await until('what was made on the way to be gone', async () => {
      const left = await golden.kubectl('get', 'persistentvolumeclaims,volumesnapshots,pods', '-o', 'name');
      return left.trim() === 'persistentvolumeclaim/source';
    });
  },
);

test('a volume is not handed over while a pod beside the source has it, and what looks like it elsewhere is left alone', async () => {
  await golden.createPod('vm', 'source');
  await tenant.clone('spied', { source: sourceIn(golden) });
  const { metadata } = await tenant.reaches('spied', 'CloneScheduled', 'CloneSourceInUse');
  const { uid = '' } = metadata;
  const temporary = temporaryName(uid);
  // Whoever is quick enough could do so with any clone; here he is in time for certain.
  await golden.createPod('spy', temporary);
  await tenant.createClaim(temporary, {});
  const marks = Object.entries(childLabels(uid)).map(([label, value]) => `${label}=${value}`);
  await tenant.kubectl('label', 'persistentvolumeclaim', temporary, ...marks);

  await golden.kubectl('delete', 'pod', 'vm', '--force', '--grace-period=0');
  const { status } = await tenant.reaches('spied', 'PrepClaimInProgress', 'PrepClaimInProgress');
  const message = status?.conditions?.find(({ type }) => type === 'Running')?.message;
  expect(message).toContain(`${temporary} is in use by pod ${golden.namespace}/spy`);
  expect((await tenant.claim('spied')).spec?.volumeName).toBeUndefined();

  await golden.kubectl('delete', 'pod', 'spy', '--force', '--grace-period=0');
  await tenant.reaches('spied', 'Succeeded');
  expect(readFileSync(await tenant.fileOf('spied')).equals(readFileSync(file))).toBe(true);
  expect(await tenant.claims()).toContain(temporary);
});

test('a DataVolume elsewhere is left alone, and so is a source: the one that clones it says why it waits', async () => {
  const stranger = await Tenant.create(cluster, controller.keys, 'stranger');
  await stranger.clone('disk', { source: sourceIn(golden) });
  await tenant.clone('from-elsewhere', { source: sourceIn(stranger) });

  const { status } = await tenant.reaches('from-elsewhere', 'Pending', 'NamespaceNotServed');
  const message = status?.conditions?.find(({ type }) => type === 'Running')?.message;
  expect(message).toContain(`namespace ${stranger.namespace} is none of those that this Clonegate serves`);
  expect((await stranger.volume('disk')).status).toBeUndefined();
});

test('the controller was refused nothing', async () => {
  const events = (await cluster.auditEvents()).slice(seen).filter(({ user }) => user.username === controllerUser);
  expect(events.length).toBeGreaterThan(0);
  expect(events.filter(({ responseStatus }) => responseStatus?.code === 403)).toEqual([]);
});
