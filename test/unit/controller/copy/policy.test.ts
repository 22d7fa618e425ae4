import { expect, test } from 'vitest';
import { backoffAfter, copyPolicyOf } from '../../../../controller/copy/policy.ts';
import { parseSettings } from '../../../../shared/process/settings.ts';
import { copyPolicy } from '../../../support/build/copies.ts';

test('pauses double up to five minutes', () => {
  const pauses = [0, 1, 2, 3, 6, 7, 1000].map((failures) => backoffAfter(failures, copyPolicy));
  expect(pauses).toEqual([10_000, 10_000, 20_000, 40_000, 300_000, 300_000, 300_000]);
  expect(backoffAfter(3, { ...copyPolicy, backoff: 0 })).toBe(0);
  expect(backoffAfter(1, { ...copyPolicy, backoff: 600_000 })).toBe(600_000);
});

test('what an administrator writes on the command line is what copies go by', () => {
  const flags = [
    '--stamp-public-keys-file=/k/stamps.json',
    '--identity-key-file=/k/identity.json',
    '--copy-image=registry.example.com/clonegate:1',
    '--copy-requests=cpu=1',
    '--copy-limits=memory=1Gi',
    '--copy-priority-class=low',
    '--copy-priority-classes=low,lower',
    '--copy-node-selector=disk=fast',
    '--copy-tolerations=storage',
    '--copy-bandwidth=100M',
    '--copy-verify=true',
    '--copy-network=false',
    '--copy-network-after=2m',
    '--copy-retries=7',
    '--copy-backoff=1m',
  ];
  expect(copyPolicyOf(parseSettings('controller', flags, {}, { hostname: 'here' }))).toEqual({
    image: 'registry.example.com/clonegate:1',
    requests: { cpu: '1' },
    limits: { memory: '1Gi' },
    priorityClass: 'low',
    priorityClasses: ['low', 'lower'],
    nodeSelector: { disk: 'fast' },
    tolerations: [{ key: 'storage', operator: 'Exists' }],
    bandwidth: 100_000_000n,
    verify: true,
    network: false,
    networkAfter: 120_000,
    retries: 7,
    backoff: 60_000,
  });
});
