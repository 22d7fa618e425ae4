import fc from 'fast-check';
import { type Damage, damages } from './bytes.ts';
import type { Change, Twist } from './changes.ts';
import type { Trouble } from './cluster.ts';
import { objectPaths, requestPaths } from './paths.ts';
import type { Rules } from './rights.ts';
import { crowd, users } from './users.ts';

/** One trial as plain data: who sends what, and what happens to it on its way. It can be printed, shrunk, kept and played again. */

export type Scenario = CreateScenario | UpdateScenario;

interface Common {
  readonly rules: Rules;
  readonly dryRun: boolean;
  /** To the review around the object. */
  readonly review: readonly Change[];
  readonly damage: { readonly mutate?: readonly Damage[]; readonly validate?: readonly Damage[] };
  readonly trouble: { readonly mutate?: Trouble; readonly validate?: Trouble };
}

export interface CreateScenario extends Common {
  readonly operation: 'CREATE';
  readonly namespace: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly wish: Wish;
  /** What the user makes of an ordinary manifest. */
  readonly own: readonly Change[];
  /** The mutating webhook was not called. */
  readonly unseen: boolean;
  /** What another webhook does after ours. */
  readonly between: readonly Change[];
  /** Ours is called again then. */
  readonly again: boolean;
  /** Somebody moves a DataSource before validate is called. */
  readonly moved?: { readonly from: string; readonly to: string };
  /** Compare the answers with those of a cluster where nothing exists. */
  readonly twins: boolean;
  /** The time of creation: seconds after the stamp, or any text. */
  readonly created: number | string;
}

export interface UpdateScenario extends Common {
  readonly operation: 'UPDATE';
  readonly user: unknown;
  /** Number of the object in the lockbox. */
  readonly of: number;
  /** The object is not quite that one. */
  readonly before: readonly Change[];
  readonly after: readonly Change[];
}

const namespaces = ['tenant-a', 'tenant-b', 'golden', 'vault', 'locked'];
const names = [
  'fedora',
  'latest-disk',
  'secret',
  'archive',
  'unbound',
  'closed',
  'disk',
  'own',
  'theirs',
  'missing',
  'snap',
];
const dataSourceNames = [
  'latest',
  'snappy',
  'leak',
  'nested',
  'nested-leak',
  'empty',
  'odd',
  'alias',
  'loop',
  'missing',
];
const sizes = [
  '10Gi',
  '10240Mi',
  '20Gi',
  '9Gi',
  '1',
  '0',
  '-1',
  '1e30',
  '9223372036854775808',
  '10gi',
  '٣',
  '1.5Ei',
  1e21,
];

const anyText = fc.oneof(
  // Any sixteen bits, so that halves of characters are among them.
  fc.array(fc.nat(0xffff), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
  fc.string({ maxLength: 12 }),
  fc.constantFrom(
    '',
    ' ',
    '..',
    '../vault',
    'a/b',
    'x'.repeat(253),
    'x'.repeat(254),
    'A',
    '\u0000',
    '\ud800',
    '__proto__',
  ),
);
const anyJson = fc.jsonValue({ maxDepth: 2 });
const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<unknown>(...namespaces, ...names, ...sizes, null, {}, [], true, 0) },
  { weight: 2, arbitrary: anyText },
  { weight: 2, arbitrary: anyJson },
);

function changeAt(paths: readonly (readonly string[])[]): fc.Arbitrary<Change> {
  const path = fc.constantFrom(...paths);
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ set: path, to: anyValue }) },
    { weight: 1, arbitrary: fc.record({ remove: path }) },
  );
}

const twist: fc.Arbitrary<Twist> = fc.record({
  kind: fc.oneof(
    { weight: 3, arbitrary: fc.constant('none' as const) },
    { weight: 4, arbitrary: fc.constantFrom('flip', 'cut', 'double', 'payload', 'unsigned', 'padded') },
  ),
  at: fc.nat(999).map((share) => share / 1000),
});

/** More than the lockbox holds, so that all of it is used. */
const anyLent = fc.nat(63);
const borrow: fc.Arbitrary<Change> = fc.record({
  borrow: anyLent,
  keys: fc.oneof(
    { weight: 3, arbitrary: fc.constant('all' as const) },
    { weight: 1, arbitrary: fc.constantFrom('stamp', 'decision') },
  ),
  twist,
});

/** Mostly nothing: what is wrong in three ways at once is refused for the first of them. */
function seldom(change: fc.Arbitrary<Change>, often: number): fc.Arbitrary<readonly Change[]> {
  return fc.oneof(
    { withCrossShrink: true },
    { weight: 10 - often, arbitrary: fc.constant([]) },
    { weight: often, arbitrary: fc.array(change, { minLength: 1, maxLength: 3 }) },
  );
}

const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  { withCrossShrink: true },
  { weight: 20, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc.record(
      {
        review: fc.oneof(
          fc.constantFrom('refused' as const, 'overloaded' as const),
          fc
            .constantFrom<unknown>({}, { status: { allowed: 'true' } }, { status: { allowed: 1 } }, null, 'yes', {
              status: { allowed: true, denied: true },
            })
            .map((answer) => ({ answer })),
        ),
        get: fc.constantFrom('refused' as const, 'overloaded' as const, 'forbidden' as const),
      },
      { requiredKeys: [] },
    ),
  },
);

const anyUser: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 300, arbitrary: fc.constantFrom<unknown>(...Object.values(users)) },
  { weight: 1, arbitrary: fc.constant<unknown>(crowd) },
  {
    weight: 12,
    arbitrary: fc.record({ username: anyValue, groups: anyValue, extra: anyValue }, { requiredKeys: [] }),
  },
);

const common = {
  rules: fc.constantFrom<Rules>('strict', 'strict', 'strict', 'looser'),
  dryRun: fc.boolean(),
  review: seldom(changeAt(requestPaths), 1),
  damage: fc.oneof(
    { withCrossShrink: true },
    { weight: 8, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.record({ mutate: damages }) },
    { weight: 1, arbitrary: fc.record({ validate: damages }) },
  ),
  trouble: fc.record({ mutate: trouble, validate: trouble }),
};

const ref = fc.record(
  { namespace: fc.constantFrom(...namespaces, ''), name: fc.constantFrom(...names) },
  { requiredKeys: ['name'] },
);
const source = fc.oneof(
  { weight: 5, arbitrary: ref.map((pvc) => ({ source: { pvc } })) },
  { weight: 2, arbitrary: ref.map((snapshot) => ({ source: { snapshot } })) },
  {
    weight: 3,
    arbitrary: fc
      .record(
        { namespace: fc.constantFrom('golden', 'golden', 'tenant-a', ''), name: fc.constantFrom(...dataSourceNames) },
        { requiredKeys: ['name'] },
      )
      .map((named) => ({ sourceRef: { kind: 'DataSource', ...named } })),
  },
  { weight: 1, arbitrary: fc.constantFrom<object>({ source: { blank: {} } }, { source: { http: { url: 'x' } } }, {}) },
);
const size = fc.oneof(
  { weight: 6, arbitrary: fc.constant<unknown>('10Gi') },
  { weight: 1, arbitrary: fc.constantFrom<unknown>(...sizes) },
);
const claim = fc.record({
  storageClassName: fc.constantFrom('fast', 'fast', 'fast', 'slow', 'shut', 'missing'),
  volumeMode: fc.constantFrom('Block', 'Block', 'Filesystem'),
  resources: size.map((storage) => ({ requests: { storage } })),
});
const metadata = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom<object>({ name: 'disk' }, { name: 'data' }, { name: 'web-x7k2p' }, { name: 'taken' }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<object>(
      { generateName: 'web-' },
      { generateName: 'w'.repeat(60) },
      { generateName: 'web-', name: 'disk' },
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<object>(
      { name: 'disk', annotations: { 'clonegate.io/strategy': 'copy' } },
      { name: 'disk', annotations: { 'cdi.kubevirt.io/storage.prePopulated': 'disk' } },
      { name: 'disk', annotations: { 'cdi.kubevirt.io/storage.checkStaticVolume': '' } },
      { name: 'taken', annotations: { 'cdi.kubevirt.io/allowClaimAdoption': 'true' } },
    ),
  },
);

/** Who may clone what: left to chance, most would be refused for that alone and nothing behind it would be reached. */
const rightful: readonly (readonly [user: unknown, source: object])[] = [
  [users.jane, { source: { pvc: { namespace: 'golden', name: 'fedora' } } }],
  [users.jane, { source: { snapshot: { namespace: 'golden', name: 'snap' } } }],
  [users.jane, { sourceRef: { kind: 'DataSource', namespace: 'golden', name: 'latest' } }],
  [users.jane, { sourceRef: { kind: 'DataSource', namespace: 'golden', name: 'nested' } }],
  [users.jane, { source: { pvc: { namespace: 'golden', name: 'unbound' } } }],
  [users.jane, { source: { pvc: { namespace: 'golden', name: 'missing' } } }],
  [users.jane, { source: { pvc: { namespace: 'golden', name: 'archive' } } }],
  [users.bob, { source: { pvc: { namespace: 'golden', name: 'fedora' } } }],
  [users.bob, { sourceRef: { kind: 'DataSource', namespace: 'golden', name: 'latest' } }],
  [users.keeper, { source: { pvc: { namespace: 'vault', name: 'secret' } } }],
  [users.keeper, { sourceRef: { kind: 'DataSource', namespace: 'tenant-a', name: 'alias' } }],
  [users.dave, { source: { pvc: { namespace: 'vault', name: 'secret' } } }],
  [users.erin, { source: { pvc: { namespace: 'golden', name: 'latest-disk' } } }],
  [users.builder, { source: { pvc: { namespace: 'golden', name: 'fedora' } } }],
  [users.builder, { source: { snapshot: { namespace: 'golden', name: 'snap' } } }],
  [users.tenant, { source: { pvc: { namespace: 'tenant-a', name: 'own' } } }],
  [users.runner, { source: { pvc: { namespace: 'golden', name: 'fedora' } } }],
  [users.restorer, { source: { snapshot: { namespace: 'golden', name: 'snap' } } }],
  [users.jane, { source: { pvc: { namespace: 'locked', name: 'disk' } } }],
  [users.jane, { source: { pvc: { namespace: 'golden', name: 'closed' } } }],
  [users.jane, { source: { snapshot: { namespace: 'golden', name: 'closed' } } }],
  [users.admin, { source: { pvc: { namespace: 'tenant-b', name: 'theirs' } } }],
];

interface Wish {
  readonly user: unknown;
  readonly spec: unknown;
}

const wish: fc.Arbitrary<Wish> = fc
  .tuple(
    fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom(...rightful) },
      { weight: 1, arbitrary: fc.tuple(anyUser, source) },
    ),
    fc.oneof(
      { weight: 4, arbitrary: claim.map((storage) => ({ storage })) },
      { weight: 1, arbitrary: claim.map((pvc) => ({ pvc: { accessModes: ['ReadWriteOnce'], ...pvc } })) },
    ),
  )
  .map(([[user, from], to]) => ({ user, spec: { ...from, ...to } }));

const create: fc.Arbitrary<CreateScenario> = fc.record(
  {
    ...common,
    wish,
    operation: fc.constant('CREATE' as const),
    namespace: fc.constantFrom('tenant-a', 'tenant-a', 'tenant-b', 'golden'),
    metadata: metadata.map((value) => ({ ...value })),
    own: seldom(fc.oneof({ weight: 2, arbitrary: changeAt(objectPaths) }, { weight: 3, arbitrary: borrow }), 4),
    unseen: fc.nat(9).map((share) => share > 7),
    between: seldom(fc.oneof({ weight: 2, arbitrary: changeAt(objectPaths) }, { weight: 1, arbitrary: borrow }), 3),
    again: fc.nat(9).map((share) => share > 8),
    moved: fc.record({
      from: fc.constantFrom('golden/latest', 'tenant-a/alias', 'golden/leak'),
      to: fc.constantFrom('golden/leak', 'golden/latest', 'golden/empty', 'golden/nowhere'),
    }),
    twins: fc.constantFrom(true, false, false, false),
    created: fc.oneof(
      { withCrossShrink: true },
      { weight: 20, arbitrary: fc.constant<number | string>(0) },
      { weight: 4, arbitrary: fc.constantFrom<number | string>(-60, 60, 61, -61, 3600, 'yesterday', '') },
    ),
  },
  {
    requiredKeys: [
      'operation',
      'namespace',
      'metadata',
      'wish',
      'own',
      'unseen',
      'between',
      'again',
      'twins',
      'created',
      'dryRun',
      'review',
      'damage',
      'trouble',
      'rules',
    ],
  },
);

const update: fc.Arbitrary<UpdateScenario> = fc.record({
  ...common,
  user: anyUser,
  operation: fc.constant('UPDATE' as const),
  of: anyLent,
  before: seldom(changeAt(objectPaths), 2),
  after: seldom(
    fc.oneof(
      { weight: 8, arbitrary: changeAt(objectPaths) },
      { weight: 4, arbitrary: borrow },
      // What need not clone is made to.
      {
        weight: 1,
        arbitrary: fc.constant({ remove: ['metadata', 'annotations', 'cdi.kubevirt.io/storage.prePopulated'] }),
      },
    ),
    8,
  ),
});

export const scenario: fc.Arbitrary<Scenario> = fc.oneof(
  { weight: 5, arbitrary: create },
  { weight: 1, arbitrary: update },
);
