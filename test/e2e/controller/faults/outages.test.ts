import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster, until } from '../../../support/cluster/index.ts';
import { startController } from '../../../support/controller.ts';
import { openInterposer } from './interposer.ts';
import { Rotation } from './rotation.ts';
import { shapeOf, shapes } from './shapes.ts';
import { type Clone, patient, Stage } from './stage.ts';
import { Strikes } from './strikes.ts';
import { endOf, well } from './verdict.ts';

/** What goes wrong around clones that are under way, one of each kind at a time: the API server, the leader, the clock. */

/** One of its own: its API server is killed. */
let cluster: Cluster;
let stage: Stage;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'storage', name: 'outages' });
  stage = await Stage.open(cluster);
  const faults = cluster.faults('reflink');
  await faults.set('CreateVolume', { mode: 'delay', ms: 500, source: 'any' });
  await faults.set('CreateSnapshot', { mode: 'delay', ms: 500 });
});
afterEach(async () => {
  stage.interposer.meddler = {};
  await stage.controller.process.kill();
});
afterAll(async () => {
  await stage?.close();
  await cluster?.stop();
});

/** They grow and come late, and so make all kinds of writes. */
const oneOfEach = async (): Promise<readonly Clone[]> =>
  stage.plan(shapes.filter(({ full }) => full).map((shape) => ({ shape })));

/** Has the controller started again whenever it ends, as a kubelet would, until the work is done. */
async function kept(work: () => Promise<void>): Promise<void> {
  let over = false;
  const keeping = async (): Promise<void> => {
    await stage.controller.process.exited;
    if (over) return;
    // It may end again before it is ready.
    await stage.controller.process.start().catch(() => undefined);
    await keeping();
  };
  const keeper = keeping();
  try {
    await work();
  } finally {
    over = true;
    await stage.controller.process.kill();
    await keeper;
  }
}

test('a conflict, an overload and an error of the server at every call, one after the other, only take time', async () => {
  const rotation = new Rotation();
  stage.interposer.meddler = rotation;
  await stage.startController([...patient, '--retry-period=300ms']);
  const clones = await oneOfEach();

  await stage.begin(clones);

  expect(await endOf(stage, clones)).toEqual(well);
  const passed = [...rotation.passed.keys()];
  // At the least: every DataVolume, its status and its claim, the lists and watches of all kinds, and the lease.
  for (const { name } of clones) {
    expect(passed).toContain(`PATCH ${stage.home.path('datavolumes', name)}`);
    expect(passed).toContain(`PATCH ${stage.home.path('datavolumes', name)}/status`);
  }
  for (const call of [
    /^GET .*\/leases\//,
    /^PATCH .*\/leases\//,
    /^POST .*\/subjectaccessreviews$/,
    /^POST .*\/events$/,
  ])
    expect(passed.some((name) => call.test(name))).toBe(true);
  for (const kind of ['datavolumes', 'persistentvolumeclaims', 'persistentvolumes', 'volumesnapshots', 'pods'])
    for (const verb of ['GET', 'WATCH'])
      expect(passed.some((name) => name.startsWith(`${verb} `) && name.endsWith(`/${kind}`))).toBe(true);
  expect([...rotation.passed.values()].every((faults) => faults >= 3)).toBe(true);
});

describe('a leader that is paused', () => {
  /** Writes that a leader may have on the way when it is paused; one for each clone, and not more than it has connections. */
  const late: readonly (readonly [string, string])[] = [
    ['csi-clone', 'POST persistentvolumeclaims target'],
    ['csi-clone grown late', 'PATCH persistentvolumeclaims resources'],
    ['csi-clone elsewhere', 'POST persistentvolumeclaims temporary'],
    ['csi-clone elsewhere grown late', 'POST pods temporary'],
    ['snapshot', 'POST volumesnapshots temporary'],
    ['snapshot elsewhere', 'DELETE volumesnapshots temporary'],
    ['snapshot elsewhere grown late', 'PATCH datavolumes/status Succeeded Completed'],
    [
      'restore elsewhere',
      'PATCH persistentvolumes +clonegate.io/owner-uid +clonegate.io/reclaim-policy claimRef persistentVolumeReclaimPolicy',
    ],
    [
      'restore elsewhere grown late',
      'PATCH persistentvolumes -clonegate.io/owner-uid -clonegate.io/reclaim-policy persistentVolumeReclaimPolicy',
    ],
  ];

  test('is replaced, and what it still has on the way does no harm when it arrives', async () => {
    const quick = ['--lease-duration=10s', '--renew-deadline=8s', '--retry-period=300ms'];
    await stage.startController(quick);
    const behind = await openInterposer(stage.cluster);
    const second = await startController(stage.cluster, {
      keys: stage.keys,
      name: 'second-controller',
      standsBy: true,
      through: behind.through,
      args: quick,
    });
    const clones = await stage.plan(late.map(([name]) => ({ shape: shapeOf(name), ownSource: true })));
    const strikes = new Strikes(stage.trail);
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    for (const [index, { name }] of clones.entries()) {
      strikes.order(name, { words: late[index]?.[1] ?? '', nth: 1, moment: 'before' }, async () => {
        await released;
        return 'go on';
      });
    }
    stage.interposer.meddler = strikes;
    await stage.begin(clones);
    await until('all clones to be held up', () => clones.every(({ name }) => strikes.hasStruck(name)));

    stage.controller.process.pause();
    expect(await endOf(stage, clones)).toEqual(well);
    const before = clones.map(({ name }) => strikes.writesOf(name).length);
    release();
    stage.controller.process.resume();

    await stage.controller.process.exited;
    expect(await endOf(stage, clones)).toEqual(well);
    // Nothing but what was on the way, and of that only what the API server cannot know to be out of date.
    const arrived = clones.flatMap(({ name }, index) => strikes.writesOf(name).slice(before[index]));
    expect(arrived.every((words) => words.startsWith('POST ') || words.startsWith('DELETE '))).toBe(true);
    await second.process.kill();
    await behind.close();
  });
});

test.each([
  ['forward', 86_400_000],
  ['back', -86_400_000],
])('a wall clock that jumps a day %s while clones are under way changes nothing', async (_name, shift) => {
  const file = join(stage.cluster.address.folder, 'wall-clock');
  writeFileSync(file, '0');
  await stage.startController([], {
    preload: fileURLToPath(new URL('../../../support/wall-clock.ts', import.meta.url)),
    env: { CLONEGATE_TEST_CLOCK: file },
  });
  const strikes = new Strikes(stage.trail);
  stage.interposer.meddler = strikes;
  const clones = await oneOfEach();

  await kept(async () => {
    await stage.begin(clones);
    await until('clones to be under way', () => clones.every(({ name }) => strikes.writesOf(name).length >= 3));
    writeFileSync(file, `${shift}`);

    expect(await endOf(stage, clones)).toEqual(well);
  });
});

test('an API server that is killed and comes back while clones are under way changes nothing', async () => {
  await stage.startController(patient);
  const strikes = new Strikes(stage.trail);
  stage.interposer.meddler = strikes;
  const clones = await oneOfEach();

  await kept(async () => {
    await stage.begin(clones);
    await until('clones to be under way', () => clones.every(({ name }) => strikes.writesOf(name).length >= 3));

    await cluster.apiServer.kill();
    await cluster.apiServer.start();

    expect(await endOf(stage, clones)).toEqual(well);
  });
});
