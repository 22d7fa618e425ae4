import type { UserInfo } from '../../shared/api/admission.ts';
import { controllerUser } from './rights.ts';

/** Who sends reviews. Some differ in one part of their identity alone, and by that in what they may do. */
export const users = {
  jane: { username: 'jane', uid: 'uid-of-jane', groups: ['system:authenticated', 'tenants'] },
  bob: { username: 'bob', groups: ['system:authenticated'], extra: {} },
  keeper: { username: 'keeper', groups: ['system:authenticated', 'vault-keepers'] },
  dave: { username: 'dave', groups: [], extra: { 'example.com/clearance': ['public', 'secret'] } },
  erin: { username: 'erin', uid: 'uid-of-erin', groups: ['system:authenticated'] },
  otherErin: { username: 'erin', uid: 'another', groups: ['system:authenticated'] },
  builder: {
    username: 'system:serviceaccount:tenant-a:builder',
    uid: 'uid-of-builder',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:tenant-a', 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/pod-name': ['builder-0'] },
  },
  runner: { username: 'runner', groups: ['runners', 'system:authenticated'] },
  restorer: { username: 'restorer', groups: ['runners', 'system:authenticated'] },
  tenant: { username: 'tenant', groups: ['tenants-a', 'system:authenticated'] },
  admin: { username: 'admin', groups: ['system:masters', 'system:authenticated'] },
  mallory: { username: 'mallory', uid: 'uid-of-mallory', groups: ['system:authenticated', 'tenants'] },
  pretender: { username: 'jane ', groups: ['system:authenticated'] },
  unicode: { username: 'jäne\u202Etluaf\n$(reboot)\'"', groups: ['группа', '\u0000'], extra: { __key__: ['\ud83d'] } },
  controller: { username: controllerUser, groups: ['system:serviceaccounts', 'system:authenticated'] },
} as const satisfies Readonly<Record<string, UserInfo>>;

/** More groups than fit into a stamp. */
export const crowd: UserInfo = {
  username: 'jane',
  groups: Array.from({ length: 3000 }, (_, index) => `group-${index}-${index * 7919}`),
};
