import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CloneSource } from '../../../shared/api/datavolume.ts';
import type { Strategy } from '../../../shared/api/names.ts';
import { type AuditEvent, isWrite, until, wordsOf } from '../../support/cluster/index.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { type RunningController, startController } from '../../support/controller.ts';
import { controllerUser, Tenant } from './tenant.ts';

/** What each kind of clone writes, by the API server's own account. A write less is a gain, a write more is to be noticed. */

interface Way {
  readonly name: string;
  readonly strategy: Strategy;
  readonly from: CloneSource['kind'];
  readonly elsewhere: boolean;
  /** In order, without the status in between: how many phases last long enough to be told is a matter of the storage's pace. */
  readonly objects: readonly string[];
  /** Of all writes, with a status for every phase that there is and that is not over in a moment. */
  readonly most: number;
}

const hold = 'patch datavolumes';
const claim = 'create persistentvolumeclaims';
const snapshot = 'create volumesnapshots';
const dropped = 'delete volumesnapshots';
const status = 'patch datavolumes/status';
const release = 'patch datavolumes';
/** The volume to the target claim, its policy back, the temporary claim away. */
const handedOver = ['patch persistentvolumes', 'patch persistentvolumes', 'delete persistentvolumeclaims'];

const clone = { strategy: 'csi-clone', from: 'PersistentVolumeClaim' } as const;
const smart = { strategy: 'snapshot', from: 'PersistentVolumeClaim' } as const;
const restore = { strategy: 'snapshot', from: 'VolumeSnapshot' } as const;
const here = { elsewhere: false };
const there = { elsewhere: true };

const ways: readonly Way[] = [
  { name: 'csi-clone', ...clone, ...here, objects: [hold, claim, release], most: 5 },
  { name: 'csi-clone-other', ...clone, ...there, objects: [hold, claim, claim, ...handedOver, release], most: 9 },
  { name: 'snapshot', ...smart, ...here, objects: [hold, snapshot, claim, dropped, release], most: 8 },
  {
    name: 'snapshot-other',
    ...smart,
    ...there,
    objects: [hold, claim, snapshot, claim, dropped, ...handedOver, release],
    most: 12,
  },
  { name: 'restore', ...restore, ...here, objects: [hold, claim, release], most: 5 },
  { name: 'restore-other', ...restore, ...there, objects: [hold, claim, claim, ...handedOver, release], most: 9 },
];

/** Of the design; the first for csi-clone. */
const budget = { here: 5, elsewhere: 12 } as const;

const cluster = sharedCluster();
let controller: RunningController;

beforeAll(async () => {
  controller = await startController(cluster);
});
afterAll(async () => {
  await controller?.process.kill('SIGTERM');
  await cluster.close();
});

/**
 * The controller's writes for a clone, those to volumes too, which are in no namespace. One that met a conflict has written nothing: the
 * provisioner or the binder wrote to the same object at the same moment, and it is put again.
 */
async function writesFor(places: readonly Tenant[], volume: string): Promise<readonly string[]> {
  const namespaces = new Set(places.map(({ namespace }) => namespace));
  const concerns = ({ objectRef }: AuditEvent): boolean =>
    namespaces.has(objectRef?.namespace ?? '') || objectRef?.name === volume;
  const events = await cluster.auditEvents();
  return events
    .filter(({ user, stage }) => user.username === controllerUser && stage === 'ResponseComplete')
    .filter((event) => isWrite(event) && event.responseStatus?.code !== 409 && concerns(event))
    .map(wordsOf);
}

test.concurrent.each(ways)('$name takes $most writes at most, and none but these', async (way) => {
  const { name, strategy, from, elsewhere, objects, most } = way;
  const golden = await Tenant.create(cluster, controller.keys, `${name}-source`);
  const tenant = elsewhere ? await Tenant.create(cluster, controller.keys, name) : golden;
  const source = await golden.source();
  if (from === 'VolumeSnapshot') await golden.snapshot('source');

  await tenant.clone('copy', { strategy, source: { kind: from, namespace: golden.namespace, name: 'source' } });

  await tenant.reaches('copy', 'Succeeded');
  await until('it to be released', async () => (await tenant.volume('copy')).metadata.finalizers === undefined);
  expect((await readFile(await tenant.fileOf('copy'))).equals(await readFile(source))).toBe(true);
  const { volumeName = '' } = (await tenant.claim('copy')).spec ?? {};
  // What a write does is seen before the audit log tells of it.
  const writes = await until('the last write in the audit log', async () => {
    const told = await writesFor([golden, tenant], volumeName);
    return told.filter((write) => write !== status).length >= objects.length && told;
  });
  expect(writes.filter((write) => write !== status)).toEqual(objects);
  expect(writes.slice(-2)).toEqual([status, release]);
  expect(writes.length).toBeLessThanOrEqual(most);
  if (elsewhere) expect(most).toBeLessThanOrEqual(budget.elsewhere);
  else if (strategy === 'csi-clone') expect(most).toBeLessThanOrEqual(budget.here);
});

const taking = 'SnapshotForSmartCloneInProgress';

test('six clones at once, in two namespaces, take one snapshot; but none that was asked for before they were there', async () => {
  const golden = await Tenant.create(cluster, controller.keys, 'share-source');
  const other = await Tenant.create(cluster, controller.keys, 'share');
  const source = await golden.source();
  const from = { kind: 'PersistentVolumeClaim', namespace: golden.namespace, name: 'source' } as const;
  const clones = [golden, other].flatMap((tenant) => ['a', 'b', 'c'].map((name) => ({ tenant, name })));
  const faults = cluster.faults('reflink');
  const held = await faults.set('CreateSnapshot', { mode: 'hold' });
  await golden.clone('first', { strategy: 'snapshot', source: from });
  // What the first one has asked for is on its way; the others are too late for it, and gather.
  await faults.struck(held);
  await Promise.all(clones.map(async ({ tenant, name }) => tenant.clone(name, { strategy: 'snapshot', source: from })));
  await Promise.all(clones.map(async ({ tenant, name }) => tenant.reaches(name, taking)));
  await faults.dispose();

  const all = [{ tenant: golden, name: 'first' }, ...clones];
  for (const { tenant, name } of all) {
    await tenant.reaches(name, 'Succeeded');
    expect((await readFile(await tenant.fileOf(name))).equals(await readFile(source))).toBe(true);
    await until('it to be released', async () => (await tenant.volume(name)).metadata.finalizers === undefined);
  }
  const writes = [...(await golden.writes()), ...(await other.writes())];
  expect(writes.filter((write) => write === snapshot)).toHaveLength(2);
  const left = await until('the snapshots to be gone', async () => {
    const { code, stdout } = await cluster.kubectl(['-n', golden.namespace, 'get', 'volumesnapshots', '-o', 'name']);
    return code === 0 && stdout === '' && (await golden.claims());
  });
  expect(left.toSorted()).toEqual(['a', 'b', 'c', 'first', 'source']);
});
