import { describe, expect, it } from 'vitest';
import type { LimitRange, ResourceQuota } from '../../../shared/api/objects.ts';
import { footprint } from '../../../shared/decision/footprint.ts';
import { quotaFindings } from '../../../shared/decision/quota.ts';
import { facts } from '../../support/build/facts.ts';

const away = facts();
const home = facts({ source: { namespace: 'tenant-a' } });

function quota(
  namespace: string,
  hard: Record<string, string>,
  used: Record<string, string> = {},
  spec = {},
): ResourceQuota {
  return { metadata: { namespace, name: 'q' }, spec, status: { hard, used } };
}

function limit(max: string, min = '0', type = 'PersistentVolumeClaim'): LimitRange {
  return {
    metadata: { namespace: 'tenant-a', name: 'l' },
    spec: { limits: [{ type, max: { storage: max }, min: { storage: min } }] },
  };
}

const found = (
  given: typeof away,
  strategy: 'csi-clone' | 'snapshot' | 'copy',
  quotas: ResourceQuota[],
  limits: LimitRange[] = [],
) =>
  quotaFindings(footprint(strategy, given), quotas, limits)
    .filter(({ severity }) => severity === 'exceeded')
    .map(({ namespace, resource }) => `${namespace} ${resource}`);

describe('footprint', () => {
  const size = 10n << 30n;
  const claim = { size, storageClassName: 'fast' };

  it('is one claim within a namespace', () => {
    expect(footprint('csi-clone', home)).toEqual([
      { namespace: 'tenant-a', claims: [{ ...claim, temporary: false }], snapshots: 0, pods: 0 },
    ]);
  });

  it('has a temporary claim beside the source when the target is elsewhere', () => {
    expect(footprint('snapshot', away)).toEqual([
      { namespace: 'tenant-a', claims: [{ ...claim, temporary: false }], snapshots: 0, pods: 0 },
      { namespace: 'golden', claims: [{ ...claim, temporary: true }], snapshots: 1, pods: 0 },
    ]);
  });

  it('has a pod for a copy, and a temporary claim in any case', () => {
    const [target, temporary] = [false, true].map((is) => ({ ...claim, temporary: is }));
    expect(footprint('copy', home)).toEqual([
      { namespace: 'tenant-a', claims: [target, temporary], snapshots: 0, pods: 1 },
    ]);
    expect(footprint('copy', away)).toEqual([
      { namespace: 'tenant-a', claims: [target], snapshots: 0, pods: 0 },
      { namespace: 'golden', claims: [temporary], snapshots: 0, pods: 1 },
    ]);
  });

  it('has a claim more for a copy of a snapshot, as large as that', () => {
    const snapshot = facts({ source: { kind: 'VolumeSnapshot', namespace: 'tenant-a', capacity: 7n } });
    expect(footprint('copy', snapshot)[0]?.claims.at(-1)).toEqual({ size: 7n, temporary: true });
    expect(footprint('copy', snapshot)[0]?.claims).toHaveLength(3);
  });

  it('has no snapshot where the source is one', () => {
    expect(
      footprint('snapshot', facts({ source: { kind: 'VolumeSnapshot', namespace: 'tenant-a' } }))[0],
    ).toMatchObject({ snapshots: 0 });
  });

  it('takes the size of the source when none is asked for', () => {
    const given = facts({ source: { requested: 5n, capacity: 5n }, without: ['target.requested'] });
    expect(footprint('csi-clone', given)[0]?.claims[0]?.size).toBe(5n);
  });
});

describe('quotaFindings', () => {
  it.each([
    ['enough room', quota('tenant-a', { 'requests.storage': '20Gi' }, { 'requests.storage': '10Gi' }), []],
    [
      'one byte too little',
      quota('tenant-a', { 'requests.storage': '20Gi' }, { 'requests.storage': '10737418241' }),
      ['tenant-a requests.storage'],
    ],
    [
      'no more claims',
      quota('tenant-a', { persistentvolumeclaims: '3' }, { persistentvolumeclaims: '3' }),
      ['tenant-a persistentvolumeclaims'],
    ],
    [
      'counted as objects',
      quota('tenant-a', { 'count/persistentvolumeclaims': '0' }),
      ['tenant-a count/persistentvolumeclaims'],
    ],
    [
      'of the class',
      quota('tenant-a', { 'fast.storageclass.storage.k8s.io/requests.storage': '1Gi' }),
      ['tenant-a fast.storageclass.storage.k8s.io/requests.storage'],
    ],
    ['of another class', quota('tenant-a', { 'slow.storageclass.storage.k8s.io/requests.storage': '1Gi' }), []],
    [
      'the temporary claim in the source namespace',
      quota('golden', { 'requests.storage': '1Gi' }),
      ['golden requests.storage'],
    ],
    [
      'the snapshot in the source namespace',
      quota('golden', { 'count/volumesnapshots.snapshot.storage.k8s.io': '0' }),
      ['golden count/volumesnapshots.snapshot.storage.k8s.io'],
    ],
    ['another namespace', quota('elsewhere', { 'requests.storage': '1' }), []],
    ['scoped to some pods', quota('tenant-a', { 'requests.storage': '1' }, {}, { scopes: ['BestEffort'] }), []],
    ['things that a clone does not make', quota('tenant-a', { secrets: '0', 'requests.cpu': '0' }), []],
  ])('%s', (_what, given, expected) => {
    expect(found(away, 'snapshot', [given])).toEqual(expected);
  });

  it('counts the pod of a copy', () => {
    expect(found(home, 'copy', [quota('tenant-a', { pods: '0' })])).toEqual(['tenant-a pods']);
  });

  it('knows limits of single claims, above and below', () => {
    expect(found(home, 'csi-clone', [], [limit('10Gi')])).toEqual([]);
    expect(found(home, 'csi-clone', [], [limit('9Gi')])).toEqual(['tenant-a storage']);
    expect(found(home, 'csi-clone', [], [limit('20Gi', '11Gi')])).toEqual(['tenant-a storage']);
    expect(found(home, 'csi-clone', [], [limit('1Gi', '0', 'Container')])).toEqual([]);
  });

  it('says what is needed, what is used, and of what', () => {
    const [finding] = quotaFindings(
      footprint('csi-clone', home),
      [quota('tenant-a', { 'requests.storage': '15Gi' }, { 'requests.storage': '8Gi' })],
      [],
    );
    expect(finding?.message).toBe('needs 10Gi requests.storage in tenant-a, 8Gi of 15Gi used (ResourceQuota/q)');
  });

  it('says the same without any figure of the quota, and without its name', () => {
    const findings = quotaFindings(
      footprint('csi-clone', home),
      [quota('tenant-a', { 'requests.storage': '15Gi' }, { 'requests.storage': '8Gi' })],
      [limit('9Gi')],
    );
    expect(findings.map(({ brief }) => brief)).toEqual([
      'needs 10Gi requests.storage in tenant-a, which is more than is left there',
      'needs a claim of 10Gi in tenant-a, above the limit there',
    ]);
  });

  it('shows odd sizes in whole mebibytes, rounded up', () => {
    const odd = facts({ source: { namespace: 'tenant-a' }, target: { requested: 1_138_166_334n } });
    const given = quota('tenant-a', { 'requests.storage': '1Gi' });
    expect(quotaFindings(footprint('csi-clone', odd), [given], [])[0]?.message).toBe(
      'needs 1086Mi requests.storage in tenant-a, 0 of 1Gi used (ResourceQuota/q)',
    );
  });

  it.each([
    ['89Gi', '80Gi', 'exceeded'],
    ['90Gi', '80Gi', 'near'],
    ['99Gi', '80Gi', 'near'],
    ['100Gi', '80Gi', undefined],
  ])('of %s with %s used and 10Gi to come says %s', (hard, used, severity) => {
    const given = quota('tenant-a', { 'requests.storage': hard }, { 'requests.storage': used });
    expect(quotaFindings(footprint('csi-clone', home), [given], [])[0]?.severity).toBe(severity);
  });

  it('is not led astray by figures that have nothing to do with storage', () => {
    expect(found(home, 'csi-clone', [quota('tenant-a', { 'requests.cpu': 'many', 'limits.memory': '' })])).toEqual([]);
  });
});
