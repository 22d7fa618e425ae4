import type { CopyPolicy } from '../../../controller/copy/policy.ts';

/** What an administrator sets who sets nothing, but for a backoff that is easy to reckon with. */
export const copyPolicy: CopyPolicy = {
  image: 'copy:1',
  requests: { cpu: '100m', memory: '64Mi' },
  limits: { cpu: '2', memory: '512Mi' },
  priorityClass: '',
  priorityClasses: [],
  nodeSelector: {},
  tolerations: [],
  bandwidth: 0n,
  verify: false,
  network: true,
  networkAfter: 300_000,
  retries: 3,
  backoff: 10_000,
};

/** Copies that a node works on at the same time. */
export const perNode = 5;
