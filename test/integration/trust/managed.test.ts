import { decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations, installed } from '../../../shared/api/names.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { installController, startController } from '../../support/controller.ts';
import { installWebhook, startWebhook } from '../../support/webhook.ts';
import { clone, setScene } from '../webhook/scene.ts';

/** Webhook and controller with nothing but their accounts: the keys of stamps are theirs to make, to publish and to replace. */

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'managed' });
  await installWebhook(cluster);
  await installController(cluster);
  await Promise.all([
    startWebhook(cluster, { managedKeys: true, args: ['--stamp-key-overlap=2s'] }),
    startController(cluster, { managedKeys: true }),
  ]);
  await setScene(cluster);
});

afterAll(async () => {
  await cluster?.stop();
});

const path = '/apis/cdi.kubevirt.io/v1beta1/namespaces/tenant-a/datavolumes';

/** Of something that does not exist, so that it waits. @returns the id of the key that stamped it. */
async function put(name: string): Promise<string> {
  const source = { pvc: { namespace: 'tenant-a', name: 'gone' } };
  const { metadata } = await cluster.api.post<DataVolume>(path, clone({ name, namespace: 'tenant-a' }, { source }));
  return decodeProtectedHeader(metadata.annotations?.[annotations.stamp] ?? '').kid ?? '';
}

async function isAccepted(name: string): Promise<void> {
  await until(`the stamp of ${name} to be accepted`, async () => {
    const { status } = await cluster.api.get<DataVolume>(`${path}/${name}`);
    return status?.conditions?.find(({ type }) => type === 'Running')?.reason === 'CloneWithoutSource';
  });
}

describe('keys that webhook and controller look after', () => {
  it('are there without anybody doing anything, and replaced when the Secret is deleted', async () => {
    const first = await put('early');
    await isAccepted('early');
    await cluster.api.remove(`/api/v1/namespaces/clonegate-system/secrets/${installed.stampKeys}`);
    let tries = 0;
    let second = first;
    await until('another key to sign', async () => {
      tries += 1;
      second = await put(`later-${tries}`);
      return second !== first;
    });
    await isAccepted(`later-${tries}`);
    // What the old key has signed is still good: nothing that was looked at anew is refused.
    expect((await cluster.kubectl(['label', '-n', 'tenant-a', 'datavolume', 'early', 'looked=at'])).code).toBe(0);
    for (let past = 1; past < tries; past += 1) await isAccepted(`later-${past}`);
    await isAccepted('early');
    expect(second).not.toBe(first);
  });

  it('are looked after with the rights that the manifests give', async () => {
    const refused = (await cluster.auditEvents()).filter(
      ({ user, responseStatus }) =>
        user.username.startsWith('system:serviceaccount:clonegate-system:') && responseStatus?.code === 403,
    );
    expect(refused).toEqual([]);
  });

  it.each([
    ['clonegate-controller', installed.stampKeys],
    ['clonegate-webhook', installed.identityKey],
  ])('are private: %s may not read %s', async (account, name) => {
    const user = `system:serviceaccount:clonegate-system:${account}`;
    const args = ['auth', 'can-i', 'get', `secrets/${name}`, '-n', 'clonegate-system', `--as=${user}`];
    expect((await cluster.kubectl(args)).stdout.trim()).toBe('no');
  });
});
