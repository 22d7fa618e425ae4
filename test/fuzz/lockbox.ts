import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { UserInfo } from '../../shared/api/admission.ts';
import { isObject, type JsonObject } from '../../shared/api/json.ts';
import { reservedOf } from './canonical.ts';
import { reserved, setAt } from './changes.ts';
import type { Oracle } from './oracle.ts';
import { createReview } from './review.ts';
import type { Target } from './target.ts';
import { users } from './users.ts';

/** DataVolumes with genuine stamps, for replays; and some whose stamps are the best that a forger can make. */

export interface Lent {
  readonly namespace: string;
  /** As it is stored in the cluster. */
  readonly object: unknown;
}

interface Request {
  readonly user: UserInfo;
  readonly namespace: string;
  readonly metadata: JsonObject;
  readonly spec: JsonObject;
}

const storage = { storageClassName: 'fast', volumeMode: 'Block', resources: { requests: { storage: '10Gi' } } };
const pvc = (namespace: string, name: string): JsonObject => ({ source: { pvc: { namespace, name } }, storage });
const snapshot = (namespace: string, name: string): JsonObject => ({
  source: { snapshot: { namespace, name } },
  storage,
});
const via = (namespace: string, name: string): JsonObject => ({
  sourceRef: { kind: 'DataSource', namespace, name },
  storage,
});

/** These need not clone. */
const filled = { annotations: { 'cdi.kubevirt.io/storage.prePopulated': 'disk' } };

/** Names that scenarios use as well, so that many a replay fits in all but one thing. */
const requests: readonly Request[] = [
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('golden', 'fedora') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'data' }, spec: pvc('golden', 'fedora') },
  { user: users.jane, namespace: 'tenant-b', metadata: { name: 'disk' }, spec: pvc('golden', 'fedora') },
  { user: users.jane, namespace: 'tenant-a', metadata: { generateName: 'web-' }, spec: pvc('golden', 'fedora') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: snapshot('golden', 'snap') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: via('golden', 'latest') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('golden', 'missing') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('golden', 'archive') },
  { user: users.bob, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('golden', 'fedora') },
  { user: users.keeper, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('vault', 'secret') },
  { user: users.keeper, namespace: 'tenant-a', metadata: { generateName: 'web-' }, spec: pvc('vault', 'secret') },
  { user: users.keeper, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: via('golden', 'leak') },
  { user: users.keeper, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: via('tenant-a', 'alias') },
  { user: users.keeper, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: snapshot('vault', 'snap') },
  { user: users.dave, namespace: 'tenant-b', metadata: { name: 'data' }, spec: pvc('vault', 'secret') },
  { user: users.builder, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('golden', 'fedora') },
  { user: users.admin, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('vault', 'secret') },
  { user: users.tenant, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('', 'own') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('golden', 'closed') },
  { user: users.erin, namespace: 'tenant-a', metadata: { name: 'disk' }, spec: pvc('golden', 'latest-disk') },
  { user: users.mallory, namespace: 'tenant-a', metadata: { name: 'disk', ...filled }, spec: pvc('vault', 'secret') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk', ...filled }, spec: pvc('golden', 'fedora') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk', ...filled }, spec: pvc('locked', 'disk') },
  { user: users.jane, namespace: 'tenant-a', metadata: { name: 'disk', ...filled }, spec: via('golden', 'leak') },
];

export async function fillLockbox(target: Target, oracle: Oracle): Promise<readonly Lent[]> {
  const genuine: Lent[] = [];
  for (const [index, request] of requests.entries()) genuine.push(await stampedBy(target, oracle, request, index));
  oracle.keep();
  const secret = genuine.find(({ object }) => isStampFor(object, 'secret'));
  // A webhook that stamps nothing leaves nothing to forge after; what becomes of its clones will tell.
  return secret === undefined ? genuine : [...genuine, ...forgedAfter(secret)];
}

/** Whether it is a stamped clone of the claim of that name. */
function isStampFor(object: unknown, name: string): boolean {
  return Object.hasOwn(reservedOf(object), reserved.stamp) && JSON.stringify(object).includes(`"name":"${name}"`);
}

function objectOf({ namespace, metadata, spec }: Omit<Request, 'user'>): JsonObject {
  return { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', metadata: { namespace, ...metadata }, spec };
}

async function stampedBy(target: Target, oracle: Oracle, request: Request, index: number): Promise<Lent> {
  const { user, namespace } = request;
  const review = createReview({ user, namespace, object: objectOf(request), uid: `lockbox-${index}` });
  const body = Buffer.from(JSON.stringify(review));
  const { object } = oracle.mutated(body, await target.post('mutate', body));
  return { namespace, object: stored(object, target.now) };
}

/** As the API server completes it. */
export function stored(object: unknown, now: number): unknown {
  const metadata = isObject(object) && isObject(object['metadata']) ? object['metadata'] : {};
  const { name = '', generateName = '' } = metadata;
  const generated = typeof generateName === 'string' ? `${generateName.slice(0, 58)}x7k2p` : '';
  return setAt(object, ['metadata'], {
    ...metadata,
    ...(name === '' && generateName !== '' ? { name: generated } : {}),
    uid: 'uid-of-the-volume',
    creationTimestamp: new Date(now).toISOString(),
  });
}

/**
 * For who has no right: everything fits but the signature, made with a key of the forger's. The first of each two calls it by the name of
 * the right key, the second by a name of its own.
 */
function forgedAfter({ namespace, object }: Lent): readonly Lent[] {
  const forger = generateKeyPairSync('ed25519').privateKey;
  const forUsers = [users.mallory, users.bob, users.jane].flatMap((user) =>
    [{ name: 'disk' }, { name: 'data' }, { name: 'web-x7k2p', generateName: 'web-' }].map((names) => ({ user, names })),
  );
  return forUsers.flatMap(({ user, names }) =>
    [{}, { kid: 'a-key-of-mine' }].map((header) => {
      const { [reserved.stamp]: genuine } = reservedOf(object);
      const { name, generateName } = { generateName: undefined, ...names };
      const target = { ns: namespace, ...(generateName === undefined ? { n: name } : { g: generateName }) };
      const stamp = forge(String(genuine), header, { sub: user.username, dst: target }, forger);
      const called = Object.entries(names).reduce<unknown>(
        (now, [key, value]) => setAt(now, ['metadata', key], value),
        object,
      );
      return { namespace, object: setAt(called, ['metadata', 'annotations', reserved.stamp], stamp) };
    }),
  );
}

/** The stamp with other words in it. */
function forge(stamp: string, header: object, says: object, key: KeyObject): string {
  const [head, payload] = stamp
    .split('.', 2)
    .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object);
  const signed = [
    { ...head, ...header },
    { ...payload, ...says },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.');
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
}
