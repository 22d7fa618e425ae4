import { afterAll, beforeAll, expect, test } from 'vitest';
import { clone, nobody, openWorld, type Person, pvc, type World } from './world.ts';

/** The three switches at the head of the policy, each turned alone. */

let world: World;
const podder: Person = { name: 'podder', groups: ['system:authenticated'] };
const builder: Person = { name: 'builder', groups: ['system:authenticated'] };

beforeAll(async () => {
  world = await openWorld();
  const { golden, kubectl, grant } = world;
  await kubectl(['create', 'role', 'podder', '--verb=create', '--resource=pods', '-n', golden]);
  const pods = { group: '', resource: 'pods', name: 'win10' };
  await grant(golden, { user: 'podder' }, '--role=podder', pods);
  await kubectl(['create', 'role', 'builder', '--verb=create', '--resource=pods,persistentvolumeclaims', '-n', golden]);
  await grant(golden, { user: 'builder' }, '--role=builder', pods);
});
afterAll(async () => await world[Symbol.asyncDispose]());

/** `allowed`, or the code of the refusal; nothing is made. */
async function verdict(who: Person, source: object): Promise<string> {
  const { code, message } = await world.create(who, clone(source), '?dryRun=All');
  return code === 201 ? 'allowed' : (/(?<=denied request: )\w+/.exec(message)?.[0] ?? message);
}

const snapshot = (): object => ({ source: { snapshot: { namespace: world.golden, name: 'win10' } } });
const dataSource = { sourceRef: { kind: 'DataSource', name: 'windows' } };

test('sameNamespace: skip lets everybody clone at home, and nowhere else', async () => {
  await world.turn('sameNamespace', "'skip'", async () => (await verdict(nobody, pvc(''))) === 'allowed');
  expect(await verdict(nobody, pvc(world.team))).toBe('allowed');
  expect(await verdict(nobody, pvc(world.golden))).toBe('CloneDenied');
});

test('podCreatorsMayClone lets those clone claims who could mount them, and snapshots those who may create claims as well', async () => {
  const claim = pvc(world.golden);
  expect([await verdict(podder, claim), await verdict(builder, claim)]).toEqual(['CloneDenied', 'CloneDenied']);
  await world.turn('podCreatorsMayClone', 'true', async () => (await verdict(podder, claim)) === 'allowed');
  expect(await verdict(podder, snapshot())).toBe('CloneDenied');
  expect([await verdict(builder, claim), await verdict(builder, snapshot())]).toEqual(['allowed', 'allowed']);
  expect(await verdict(nobody, claim)).toBe('CloneDenied');
  expect(await verdict(podder, pvc(world.team)), 'only where they may create pods').toBe('CloneDenied');
});

test('sourceRefs: deny takes no clone by a DataSource, stamped or not', async () => {
  await world.turn('sourceRefs', "'deny'", async () => (await verdict(nobody, dataSource)) === 'CloneRejected');
  const stamped = clone(dataSource, { annotations: { 'clonegate.io/stamp': 'x' } });
  expect(await world.create(nobody, stamped)).toMatchObject({
    code: 403,
    message: expect.stringContaining('takes no clones by spec.sourceRef; name the claim or snapshot itself'),
  });
});

test('sourceRefs: pass leaves them to others', async () => {
  await world.turn('sourceRefs', "'pass'", async () => (await verdict(nobody, dataSource)) === 'allowed');
  expect(await verdict(nobody, pvc(world.golden))).toBe('CloneDenied');
});

test('a word that the policy does not know takes nothing', async () => {
  await world.turn('sourceRefs', "'allow'", async () => (await verdict(nobody, dataSource)) === 'CloneRejected');
  await world.turn('sameNamespace', "'no'", async () => (await verdict(nobody, dataSource)) === 'StampMissing');
  expect(await verdict(nobody, pvc(''))).toBe('CloneDenied');
});
