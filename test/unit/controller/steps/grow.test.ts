import { describe, expect, test } from 'vitest';
import { plan } from '../../../../controller/planner.ts';
import type { PersistentVolumeClaim, Stored } from '../../../../shared/api/objects.ts';
import { claim, observed, pod, target, volume, world } from '../world.ts';
import { allowed, helper } from './elsewhere.ts';

/** A clone that is smaller than what was asked for. */

const pending = [{ type: 'FileSystemResizePending', status: 'True' }];

/** A clone of 1 GiB into 2 GiB whose target claim has a volume. */
function growing(own: Stored<PersistentVolumeClaim>, ...pods: readonly ReturnType<typeof pod>[]) {
  const stores = world();
  stores.claims.upsert(own);
  for (const one of pods) stores.pods.upsert(one);
  return plan(observed(stores, volume({ claim: { resources: { requests: { storage: '2Gi' } } } })), allowed);
}

/** The target claim once the growth was asked for. */
function asked(status: PersistentVolumeClaim['status'] = {}, mode = 'Filesystem'): Stored<PersistentVolumeClaim> {
  const spec = { resources: { requests: { storage: '2Gi' } }, volumeMode: mode };
  const own = target();
  return {
    ...own,
    spec: { ...own.spec, ...spec },
    status: { phase: 'Bound', capacity: { storage: '1Gi' }, ...status },
  };
}

describe('a clone', () => {
  test('is made in the size of its source', () => {
    const stores = world();
    const o = observed(stores, volume({ claim: { resources: { requests: { storage: '2Gi' } } } }));

    expect(plan(o, allowed)).toMatchObject({
      step: 'claimed',
      effects: [{}, { object: { spec: { resources: { requests: { storage: '1Gi' } } } } }],
    });
  });

  test('then asks for more', () => {
    expect(growing(target())).toMatchObject({
      step: 'asked-for',
      effects: [{ kind: 'patch', uid: 'target-uid', patch: { spec: { resources: { requests: { storage: '2Gi' } } } } }],
    });
  });

  test('waits for the driver', () => {
    expect(growing(asked())).toMatchObject({
      state: 'waiting',
      wait: {
        phase: 'PrepClaimInProgress',
        type: 'Normal',
        message: 'PersistentVolumeClaim tenant/target has 1Gi; 2Gi are asked for',
      },
    });
  });

  test('is complete when it has what it asked for', () => {
    expect(growing(asked({ capacity: { storage: '2Gi' } }))).toEqual({ state: 'done', effects: [] });
  });

  test('that is as large as was asked for is left alone, also when its source was larger', () => {
    const stores = world();
    stores.claims.upsert(claim('source', { capacity: '3Gi' }));
    stores.claims.upsert(target({ capacity: '3Gi', spec: { resources: { requests: { storage: '3Gi' } } } }));
    const o = observed(stores, volume({ claim: { resources: { requests: { storage: '2Gi' } } } }));

    expect(plan(o, allowed)).toEqual({ state: 'done', effects: [] });
  });
});

describe('a file system that only a node can let grow', () => {
  test.each([
    ['Filesystem', { volumeMounts: [{ name: 'data', mountPath: '/clone' }] }],
    ['Block', { volumeDevices: [{ name: 'data', devicePath: '/dev/clone' }] }],
  ])('is mounted by a pod that does nothing (%s)', (mode, use) => {
    const { effects } = growing(asked({ conditions: pending }, mode)) as { effects: readonly unknown[] };

    expect(effects).toMatchObject([
      {
        kind: 'create',
        object: {
          metadata: { namespace: 'tenant', ownerReferences: [{ uid: 'dv-uid', controller: true }] },
          spec: {
            containers: [{ image: 'pause:1', ...use }],
            volumes: [{ persistentVolumeClaim: { claimName: 'target' } }],
          },
        },
      },
    ]);
  });

  test('that pod keeps to the restricted Pod Security Standard, and has no token', () => {
    const { effects } = growing(asked({ conditions: pending })) as { effects: readonly { object?: object }[] };

    expect(effects[0]?.object).toMatchObject({
      spec: {
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [{ securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }],
      },
    });
  });

  test.each([
    ['one of ours', helper('tenant', 'target')],
    ["the user's own", pod('vm', 'target')],
  ])('is not mounted by a second pod where there is %s', (_name, first) => {
    expect(growing(asked({ conditions: pending }), first)).toMatchObject({
      state: 'waiting',
      wait: { phase: 'PrepClaimInProgress' },
    });
  });

  test('lets the pod go at the end', () => {
    expect(growing(asked({ capacity: { storage: '2Gi' } }), helper('tenant', 'target'))).toMatchObject({
      step: 'cleared',
      effects: [{ kind: 'delete', resource: { plural: 'pods' } }],
    });
  });
});
