import { expect, test } from 'vitest';
import { copyPodName, exportPodName, temporaryName } from '../../../../controller/children.ts';
import { ApiError } from '../../../../shared/kube/errors.ts';
import { claims, pods } from '../../../../shared/kube/resource.ts';
import { stampedClone } from '../../../support/build/clones.ts';
import { key, keys, Scene, signal, wanted } from '../scene.ts';

/** Whether a copy needs a second pod only the scheduler knows; so admission reckons with one, and a quota that has no room for two is met here. */

const words = "0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity.";

test.each([
  ['the second pod', pods.plural, 'pods'],
  ['the key of both', 'secrets', 'count/secrets'],
  ['a policy for them', 'networkpolicies', 'count/networkpolicies.networking.k8s.io'],
])(
  'a quota without room for %s is told, and what it is for; the copy goes on when there is room',
  async (_name, plural, of) => {
    const scene = await Scene.with(await stampedClone(keys, { ...wanted, strategy: 'copy' }));
    const reconcile = scene.controller();
    const pass = async () => {
      scene.sync();
      return await reconcile(key, signal);
    };
    const { uid } = scene.volume.metadata;
    const client = scene.api.client();
    for (let passes = 0; passes < 2; passes += 1) await pass();
    const status = { phase: 'Bound', capacity: { storage: '1Gi' } };
    const temporary = { namespace: 'tenant', name: temporaryName(uid) };
    await client.mergePatch(claims, temporary, { spec: { volumeName: 'pv' }, status });
    await pass();
    const told = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: words };
    const copyPod = { namespace: 'tenant', name: copyPodName(uid) };
    await client.mergePatch(pods, copyPod, { status: { phase: 'Pending', conditions: [told] } });

    const refused = `${plural} is forbidden: exceeded quota: small, requested: ${of}=1, used: ${of}=1, limited: ${of}=1`;
    scene.intercept = ({ verb, plural: what }) => {
      if (verb === 'create' && what === plural) throw new ApiError(refused, { code: 403, reason: 'Forbidden' });
    };
    expect(await pass()).toEqual({ kind: 'retry' });
    expect(scene.events.at(-1)).toMatchObject({
      reason: 'ErrExceededQuota',
      type: 'Warning',
      note: `${refused}; it is needed because no node reaches both volumes (${words})`,
    });
    // The pod that no node takes stays: it is what shows that two are needed.
    expect(await client.get(pods, copyPod)).toBeDefined();

    scene.intercept = () => undefined;
    await pass();
    expect(await client.get(pods, { namespace: 'tenant', name: exportPodName(uid) })).toBeDefined();
    expect(scene.events.at(-1)).toMatchObject({ reason: 'CopyOverNetwork' });
  },
);
