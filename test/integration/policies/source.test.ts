import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { denialOf } from '../../../webhook/words.ts';
import { clone, mayClone, nobody, openWorld, type Person, pvc, type World } from './world.ts';

/** With no webhook at all: what it would refuse at CREATE is refused by the policy, and what it would allow is not. */

let world: World;
const user = (name: string): Person => ({ name, groups: ['system:authenticated'] });
const account = (namespace: string, name: string): Person => ({
  name: `system:serviceaccount:${namespace}:${name}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
});

const people = {
  'somebody who may clone everything there': user('whole'),
  'somebody who may clone one source by name': user('named'),
  'somebody who may clone at home': user('home'),
  'somebody who may nothing': nobody,
  'a member of a group that may': { name: 'member', groups: ['imagers'] },
  'somebody who may create DataVolumes there': user('editor'),
  'somebody who may create pods there': user('podder'),
  'a service account whose namespace may': account('builders', 'robot'),
  'a service account of another namespace': account('others', 'robot'),
} as const;

type Who = keyof typeof people;

const codes = { allowed: 201, CloneDenied: 403, StampMissing: 403, CloneRejected: 422 } as const;
type Verdict = keyof typeof codes;

beforeAll(async () => {
  world = await openWorld();
  const { golden, team, kubectl } = world;
  const role = async (name: string, verb: string, resource: string, ...more: readonly string[]): Promise<void> => {
    await kubectl(['create', 'role', name, `--verb=${verb}`, `--resource=${resource}`, ...more, '-n', golden]);
  };
  await role('one', 'create', 'datavolumes.cdi.kubevirt.io/source', '--resource-name=win10');
  await role('editor', '*', 'datavolumes.cdi.kubevirt.io');
  await role('podder', 'create', 'pods');
  const sourcer = '--clusterrole=clonegate-clone-sourcer';
  await Promise.all([
    world.grant(golden, { user: 'whole' }, sourcer),
    world.grant(golden, { user: 'named' }, '--role=one'),
    world.grant(team, { user: 'home' }, sourcer),
    world.grant(golden, { group: 'imagers' }, sourcer),
    world.grant(golden, { group: 'system:serviceaccounts:builders' }, sourcer),
    world.grant(golden, { user: 'editor' }, '--role=editor', { ...mayClone, subresource: '' }),
    world.grant(golden, { user: 'podder' }, '--role=podder', { group: '', resource: 'pods', name: 'win10' }),
  ]);
});
afterAll(async () => await world[Symbol.asyncDispose]());

const snapshot = (namespace: string, name = 'win10'): object => ({ source: { snapshot: { namespace, name } } });
const dataSource = (namespace?: string): object => ({
  sourceRef: { kind: 'DataSource', name: 'windows', ...(namespace === undefined ? {} : { namespace }) },
});
const annotated = (key: string, value = ''): object => ({ annotations: { [key]: value } });

type Row = readonly [what: string, who: Who, answer: Verdict, volume: () => object];

/** `golden` and `team` are known when the rows are run. */
const rows: readonly Row[] = [
  ['a claim', 'somebody who may clone everything there', 'allowed', () => clone(pvc(world.golden))],
  ['a claim', 'somebody who may nothing', 'CloneDenied', () => clone(pvc(world.golden))],
  ['a claim', 'somebody who may clone at home', 'CloneDenied', () => clone(pvc(world.golden))],
  ['a claim', 'a member of a group that may', 'allowed', () => clone(pvc(world.golden))],
  ['a claim', 'a service account whose namespace may', 'allowed', () => clone(pvc(world.golden))],
  ['a claim', 'a service account of another namespace', 'CloneDenied', () => clone(pvc(world.golden))],
  ['a claim', 'somebody who may create DataVolumes there', 'CloneDenied', () => clone(pvc(world.golden))],
  ['a claim', 'somebody who may create pods there', 'CloneDenied', () => clone(pvc(world.golden))],
  ['the claim of that name', 'somebody who may clone one source by name', 'allowed', () => clone(pvc(world.golden))],
  [
    'another claim',
    'somebody who may clone one source by name',
    'CloneDenied',
    () => clone(pvc(world.golden, 'win11')),
  ],
  [
    'a claim of a third namespace',
    'somebody who may clone everything there',
    'CloneDenied',
    () => clone(pvc('silver')),
  ],
  ['a claim of their own namespace', 'somebody who may clone at home', 'allowed', () => clone(pvc(world.team))],
  ['a claim of their own namespace', 'somebody who may nothing', 'CloneDenied', () => clone(pvc(world.team))],
  ['a claim of no namespace, which is their own', 'somebody who may clone at home', 'allowed', () => clone(pvc(''))],
  ['a claim of no namespace, which is their own', 'somebody who may nothing', 'CloneDenied', () => clone(pvc(''))],
  ['a claim of no namespace', 'somebody who may clone everything there', 'CloneDenied', () => clone(pvc(''))],
  ['a snapshot', 'somebody who may clone everything there', 'allowed', () => clone(snapshot(world.golden))],
  ['a snapshot', 'somebody who may nothing', 'CloneDenied', () => clone(snapshot(world.golden))],
  ['a snapshot of no namespace', 'somebody who may nothing', 'CloneDenied', () => clone(snapshot(''))],
  [
    'a snapshot of that name',
    'somebody who may clone one source by name',
    'allowed',
    () => clone(snapshot(world.golden)),
  ],
  [
    'another snapshot',
    'somebody who may clone one source by name',
    'CloneDenied',
    () => clone(snapshot(world.golden, 'nightly')),
  ],
  [
    'a claim into a name that is to be generated',
    'somebody who may clone everything there',
    'allowed',
    () => clone(pvc(world.golden), { name: undefined, generateName: 'vm-' }),
  ],
  [
    'a claim into a name that is to be generated',
    'somebody who may nothing',
    'CloneDenied',
    () => clone(pvc(world.golden), { name: undefined, generateName: 'vm-' }),
  ],
  [
    'a claim, with a stamp of their own making',
    'somebody who may nothing',
    'CloneDenied',
    () => clone(pvc(world.golden), annotated('clonegate.io/stamp', 'forged')),
  ],
  ['a DataSource', 'somebody who may clone everything there', 'StampMissing', () => clone(dataSource(world.golden))],
  ['a DataSource of their own namespace', 'somebody who may clone at home', 'StampMissing', () => clone(dataSource())],
  [
    'a DataSource, with an empty stamp',
    'somebody who may clone everything there',
    'StampMissing',
    () => clone(dataSource(world.golden), annotated('clonegate.io/stamp')),
  ],
  [
    'a DataSource, with a stamp, which is the controller’s to verify',
    'somebody who may nothing',
    'allowed',
    () => clone(dataSource(world.golden), annotated('clonegate.io/stamp', 'x.y.z')),
  ],
  [
    'nothing',
    'somebody who may nothing',
    'allowed',
    () => clone({ source: { http: { url: 'https://example.com/a.img' } } }),
  ],
  [
    'what is there already (prePopulated)',
    'somebody who may nothing',
    'allowed',
    () => clone(pvc(world.golden), annotated('cdi.kubevirt.io/storage.prePopulated', 'win10')),
  ],
  [
    'what is there already (checkStaticVolume)',
    'somebody who may nothing',
    'allowed',
    () => clone(snapshot(world.golden), annotated('cdi.kubevirt.io/storage.checkStaticVolume')),
  ],
  [
    'a DataSource of what is there already',
    'somebody who may nothing',
    'allowed',
    () => clone(dataSource(world.golden), annotated('cdi.kubevirt.io/storage.prePopulated', 'win10')),
  ],
  [
    'a claim, with an annotation that only looks like an exemption',
    'somebody who may nothing',
    'CloneDenied',
    () => clone(pvc(world.golden), annotated('clonegate.io/storage.prePopulated', 'win10')),
  ],
  [
    'a claim and a snapshot',
    'somebody who may clone everything there',
    'CloneRejected',
    () => clone({ source: { pvc: { namespace: world.golden, name: 'a' }, snapshot: { namespace: 'x', name: 'a' } } }),
  ],
  [
    'a claim and a web page',
    'somebody who may clone everything there',
    'CloneRejected',
    () => clone({ source: { pvc: { namespace: world.golden, name: 'a' }, http: { url: 'https://example.com' } } }),
  ],
  [
    'a claim and a DataSource',
    'somebody who may clone everything there',
    'CloneRejected',
    () => clone({ ...pvc(world.golden), ...dataSource() }, annotated('clonegate.io/stamp', 'x')),
  ],
  ...['', 'Win10', 'win10/../../x', 'win10\nCloneAllowed: all is well', '.', 'a'.repeat(254)].map(
    (name): Row => [
      `a claim whose name is ${JSON.stringify(name).slice(0, 20)}`,
      'somebody who may clone everything there',
      'CloneRejected',
      () => clone(pvc(world.golden, name)),
    ],
  ),
  [
    'a claim of a namespace that can be none',
    'somebody who may clone everything there',
    'CloneRejected',
    () => clone(pvc('a.b')),
  ],
];

describe('without the webhook', () => {
  test.each(rows)('a clone of %s by %s: %s', async (_, who, verdict, volume) => {
    const { code, message } = await world.create(people[who], volume());
    expect({ code, message }).toEqual({
      code: codes[verdict],
      message: verdict === 'allowed' ? '' : expect.stringContaining(`denied request: ${verdict}: `),
    });
  });

  test('a dry run is told the same', async () => {
    const tried = await world.create(nobody, clone(pvc(world.golden)), '?dryRun=All');
    expect(tried).toMatchObject({ code: 403, message: expect.stringContaining('CloneDenied') });
    expect(await world.create(people['somebody who may clone at home'], clone(pvc('')), '?dryRun=All')).toMatchObject({
      code: 201,
    });
  });

  test('server-side apply is no way around it', async () => {
    const manifest = clone(pvc(world.golden), { name: 'applied', namespace: world.team });
    const apply = async (who: string): Promise<string> =>
      await world.kubectl(['apply', '--server-side', `--as=${who}`, '-f', '-'], JSON.stringify(manifest));
    await expect(apply('nobody')).rejects.toThrow('CloneDenied');
    expect(await apply('whole')).toContain('serverside-applied');
  });
});

describe('the refusal', () => {
  test.each([
    'jane',
    "o'brien",
    'jane@example.com',
    'CN=Jane Doe,O=Storage',
    'Jürgen Groß',
    'a;rm -rf ~ $(x) `y`',
    'system:serviceaccount:builds:image-maker.v2',
    '--clusterrole=cluster-admin',
    '§',
    `${'long-'.repeat(20)}name`,
  ])('tells %s whom, what and where as the webhook does, and how to mend it', async (name) => {
    const { message } = await world.create({ name }, clone(pvc(world.golden)));
    const said = denialOf(name, {
      kind: 'PersistentVolumeClaim',
      namespace: world.golden,
      name: 'win10',
      field: 'spec.source.pvc',
    });
    expect(message).toContain(`denied request: CloneDenied: ${said}`);
  });

  test.each([['nobody\u200B'], ['x'.repeat(300)]])('puts %j on no command line', async (name) => {
    const { message } = await world.create({ name }, clone(pvc(world.golden)));
    expect(message).toMatch(/CloneDenied: user ".*" may not clone .* in namespace golden-\w+$/);
    expect(message.length).toBeLessThan(700);
  });

  test('names a command that does mend it', async () => {
    const refused = await world.create(user('lena'), clone(pvc(world.golden)));
    const [, line = ''] = /kubectl (create rolebinding .*)$/.exec(refused.message) ?? [];
    await world.kubectl(line.split(' '));
    await expect
      .poll(async () => (await world.create(user('lena'), clone(pvc(world.golden)))).code, { timeout: 240_000 })
      .toBe(201);
  });

  test('is the same whether or not the source exists', async () => {
    const claim = {
      metadata: { name: 'exists' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    };
    const manifest = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', ...claim };
    await world.kubectl(['create', '-n', world.golden, '-f', '-'], JSON.stringify(manifest));
    const about = async (name: string): Promise<string> =>
      (await world.create(nobody, clone(pvc(world.golden, name), { name: 'dv' }))).message.replaceAll(name, 'NAME');
    expect(await about('exists')).toBe(await about('missing'));
  });
});
