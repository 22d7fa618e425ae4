import { isObject } from '../../shared/api/json.ts';

/**
 * Who may clone what in the fuzzed cluster: the plain model that both the authorizer behind the webhook and the oracle beside it go by.
 * It is made so that every part of a user's identity decides about something: whoever forgets one of them in a question is found out.
 */

export interface Place {
  readonly namespace: string;
  readonly name: string;
}

/** Something that can be cloned, whether it exists or not. */
export interface Source extends Place {
  readonly kind: 'pvc' | 'snapshot';
}

/** As it stands in a review; nothing is taken for granted about it. */
export interface Identity {
  readonly username?: unknown;
  readonly uid?: unknown;
  readonly groups?: unknown;
  readonly extra?: unknown;
}

/** What may be created: the right to clone itself, or what CDI's looser rules let count for it. */
export const rights = ['datavolumes/source', 'pods', 'persistentvolumeclaims'] as const;
export type Right = (typeof rights)[number];

interface Grant {
  readonly to:
    | { readonly user: string }
    | { readonly group: string }
    | { readonly uid: string }
    | { readonly extra: readonly [key: string, value: string] };
  readonly right?: Right;
  readonly namespace: string;
  /** One object (RBAC's resourceNames); absent for all of them. */
  readonly name?: string;
}

const grants: readonly Grant[] = [
  { to: { user: 'jane' }, namespace: 'golden' },
  { to: { user: 'jane' }, namespace: 'locked' },
  { to: { user: 'bob' }, namespace: 'golden', name: 'fedora' },
  { to: { group: 'vault-keepers' }, namespace: 'vault' },
  { to: { group: 'system:serviceaccounts:tenant-a' }, namespace: 'golden', name: 'fedora' },
  { to: { group: 'system:serviceaccounts' }, namespace: 'golden', name: 'snap' },
  { to: { extra: ['example.com/clearance', 'secret'] }, namespace: 'vault', name: 'secret' },
  { to: { uid: 'uid-of-erin' }, namespace: 'golden', name: 'latest-disk' },
  { to: { group: 'tenants-a' }, namespace: 'tenant-a' },
  { to: { group: 'runners' }, right: 'pods', namespace: 'golden' },
  { to: { user: 'restorer' }, right: 'persistentvolumeclaims', namespace: 'golden' },
];

const everything = 'system:masters';

/** Whether somebody gave this user the right to create that there. */
export function has(user: Identity, right: Right, { namespace, name }: Place): boolean {
  if (typeof user.username !== 'string' || user.username === '') return false;
  if (textsIn(user.groups).includes(everything)) return true;
  return grants.some(
    (grant) =>
      (grant.right ?? 'datavolumes/source') === right &&
      grant.namespace === namespace &&
      (grant.name === undefined || grant.name === name) &&
      isFor(grant.to, user),
  );
}

function isFor(to: Grant['to'], user: Identity): boolean {
  if ('user' in to) return user.username === to.user;
  if ('group' in to) return textsIn(user.groups).includes(to.group);
  if ('uid' in to) return user.uid === to.uid;
  const [key, value] = to.extra;
  return isObject(user.extra) && Object.hasOwn(user.extra, key) && textsIn(user.extra[key]).includes(value);
}

function textsIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `looser`: CDI's rules, by which nobody is asked in one namespace, and whoever may create pods may clone. */
export type Rules = 'strict' | 'looser';

/** Whether this user may clone the source into the namespace; it does not matter whether it exists. */
export function mayClone(user: Identity, source: Source, into: string, rules: Rules): boolean {
  if (has(user, 'datavolumes/source', source)) return true;
  if (rules === 'strict' || typeof user.username !== 'string') return false;
  if (source.namespace === into) return true;
  return has(user, 'pods', source) && (source.kind === 'pvc' || has(user, 'persistentvolumeclaims', source));
}

/** The one user who may change what is stamped. */
export const controllerUser = 'system:serviceaccount:clonegate-system:clonegate-controller';
