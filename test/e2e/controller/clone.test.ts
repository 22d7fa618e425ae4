import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { annotations, finalizer, labels } from '../../../shared/api/names.ts';
import { plainClone } from '../../support/build/clones.ts';
import { cameSince, until } from '../../support/cluster/index.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { shell } from '../../support/cluster/shell.ts';
import { type RunningController, startController } from '../../support/controller.ts';
import { runbookCommands } from './runbook.ts';
import { controllerUser, Tenant } from './tenant.ts';

/** The real controller, with its own rights, on a real control plane and a CSI driver whose clones are real. */

const cluster = sharedCluster();
const begin = Date.now();
let controller: RunningController;

beforeAll(async () => {
  controller = await startController(cluster);
});
afterAll(async () => {
  await controller?.process.kill('SIGTERM');
  await cluster.close();
});

async function tenantWithSource(prefix: string): Promise<{ tenant: Tenant; source: string }> {
  const tenant = await Tenant.create(cluster, controller.keys, prefix);
  return { tenant, source: await tenant.source() };
}

async function bytesOf(tenant: Tenant, claim: string): Promise<Buffer> {
  return readFileSync(await tenant.fileOf(claim));
}

describe('a clone', () => {
  test('has the bytes of its source, and costs at most five writes and one question', async () => {
    const { tenant, source } = await tenantWithSource('clone');
    const { uid: sourceUid = '' } = (await tenant.claim('source')).metadata;

    await tenant.clone('copy', { sourceUid, labels: { app: 'web' } });
    const { status, metadata } = await tenant.reaches('copy', 'Succeeded');

    const bytes = await bytesOf(tenant, 'copy');
    expect(bytes.length).toBeGreaterThan(0);
    expect(bytes.equals(readFileSync(source))).toBe(true);
    expect(status).toMatchObject({ progress: '100.0%', claimName: 'copy' });
    expect(status?.conditions?.map(({ type, status: is, reason }) => [type, is, reason])).toEqual([
      ['Bound', 'True', 'Bound'],
      ['Running', 'False', 'Completed'],
      ['Ready', 'True', 'Completed'],
    ]);
    await until(
      'the finalizer to be gone',
      async () => (await tenant.volume('copy')).metadata.finalizers === undefined,
    );
    expect((await tenant.events('copy', 'CloneSucceeded')).at(-1)?.type).toBe('Normal');
    expect(await tenant.kubectl('get', 'dv', 'copy')).toMatch(
      /^NAME +PHASE +PROGRESS +RESTARTS +AGE\ncopy +Succeeded +100.0%/,
    );

    const claim = await tenant.claim('copy');
    expect(claim.metadata.labels).toMatchObject({ app: 'web', [labels.ownerUid]: metadata.uid });
    expect(claim.metadata.annotations).toMatchObject({
      [annotations.createdForDataVolume]: metadata.uid,
      [annotations.cloneOf]: 'true',
    });
    const writes = await tenant.writes('patch datavolumes');
    expect(writes.length).toBeLessThanOrEqual(5);
    expect(writes.slice(0, 2)).toEqual(['patch datavolumes', 'create persistentvolumeclaims']);
    expect(writes.slice(-2)).toEqual(['patch datavolumes/status', 'patch datavolumes']);
  });

  test('waits while a pod writes to the source, says which, and goes on when it is gone', async () => {
    const { tenant, source } = await tenantWithSource('in-use');
    await tenant.createPod('vm', 'source');

    await tenant.clone('copy');
    const { status } = await tenant.reaches('copy', 'CloneScheduled', 'CloneSourceInUse');

    expect(status?.conditions?.find(({ type }) => type === 'Running')?.message).toContain(`pod ${tenant.namespace}/vm`);
    expect(await tenant.claims()).toEqual(['source']);
    await tenant.kubectl('delete', 'pod', 'vm', '--force', '--grace-period=0');
    await tenant.reaches('copy', 'Succeeded');
    expect((await bytesOf(tenant, 'copy')).equals(readFileSync(source))).toBe(true);
    expect((await tenant.events('copy', 'CloneSucceeded')).map(({ reason }) => reason)).toContain('CloneSourceInUse');
  });

  test('that came before its source is decided and made when the source is there', async () => {
    const tenant = await Tenant.create(cluster, controller.keys, 'early');
    const profile = {
      apiVersion: 'cdi.kubevirt.io/v1beta1',
      kind: 'StorageProfile',
      metadata: { name: 'reflink' },
      spec: { cloneStrategy: 'csi-clone' },
    };
    await cluster.api.apply('/apis/cdi.kubevirt.io/v1beta1/storageprofiles/reflink', profile);

    await tenant.clone('copy', { strategy: null });
    await tenant.reaches('copy', 'Pending', 'CloneWithoutSource');
    await tenant.createClaim('source', {});

    const { metadata } = await tenant.reaches('copy', 'Succeeded');
    expect(metadata.annotations?.[annotations.cloneType]).toBe('csi-clone');
  });

  test('of a class that waits for its first consumer waits for it too', async () => {
    const { tenant, source } = await tenantWithSource('wffc');

    await tenant.clone('copy', { claim: { storageClassName: 'reflink-wffc' } });
    await tenant.reaches('copy', 'WaitForFirstConsumer');
    await tenant.createPod('consumer', 'copy');

    await tenant.reaches('copy', 'Succeeded');
    expect((await bytesOf(tenant, 'copy')).equals(readFileSync(source))).toBe(true);
  });

  test('whose claim is deleted on the way makes it again', async () => {
    const { tenant, source } = await tenantWithSource('again');
    await tenant.clone('copy', { claim: { storageClassName: 'reflink-wffc' } });
    await tenant.reaches('copy', 'WaitForFirstConsumer');
    const first = (await tenant.claim('copy')).metadata.uid;

    await tenant.kubectl('delete', 'pvc', 'copy');
    await until('another claim', async () => (await tenant.claim('copy')).metadata.uid !== first);
    await tenant.createPod('consumer', 'copy');

    await tenant.reaches('copy', 'Succeeded');
    expect((await bytesOf(tenant, 'copy')).equals(readFileSync(source))).toBe(true);
  });

  test('that the quota does not let through is told so, and goes on when it does', async () => {
    const { tenant } = await tenantWithSource('quota');
    await tenant.kubectl('create', 'quota', 'few', '--hard=persistentvolumeclaims=1');
    await until(
      'the quota to be in force',
      async () => (await tenant.kubectl('get', 'quota', 'few', '-o', 'jsonpath={.status.used}')) !== '',
    );

    await tenant.clone('copy');
    await tenant.reaches('copy', 'Pending', 'ErrExceededQuota');
    expect(await tenant.claims()).toEqual(['source']);
    await tenant.kubectl('delete', 'quota', 'few');

    const { status } = await tenant.reaches('copy', 'Succeeded');
    expect(status?.claimName).toBe('copy');
  });
});

describe('nothing is made', () => {
  test('for a DataVolume that admission has not authorized', async () => {
    const { tenant } = await tenantWithSource('unstamped');

    await tenant.post(plainClone({ namespace: tenant.namespace, name: 'copy', source: 'source' }));
    await tenant.reaches('copy', 'Failed', 'CloneUnauthorized');

    expect(await tenant.claims()).toEqual(['source']);
    expect(await tenant.writes('patch datavolumes/status')).toEqual(['patch datavolumes/status']);
    expect((await tenant.events('copy', 'CloneUnauthorized')).at(-1)?.type).toBe('Warning');
  });

  test('for a stamp that was made for another DataVolume', async () => {
    const { tenant } = await tenantWithSource('stolen');
    await tenant.clone('copy');
    const { metadata, spec } = await tenant.volume('copy');
    const stolen = { name: 'stolen', namespace: tenant.namespace, annotations: metadata.annotations ?? {} };

    await tenant.post({ apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', metadata: stolen, spec });

    await tenant.reaches('stolen', 'Failed', 'CloneUnauthorized');
    expect(await tenant.claims()).not.toContain('stolen');
  });

  test('when the right was taken away before the clone could begin', async () => {
    const { tenant } = await tenantWithSource('revoked');
    await tenant.createPod('vm', 'source');
    await tenant.clone('copy');
    await tenant.reaches('copy', 'CloneScheduled', 'CloneSourceInUse');

    await tenant.kubectl('delete', 'rolebinding', 'clone');
    // The authorizer hears of it by another way than the controller of the pod.
    await until('the right to be gone', async () => !(await tenant.mayBeCloned()));
    await tenant.kubectl('delete', 'pod', 'vm', '--force', '--grace-period=0');

    await tenant.reaches('copy', 'Pending', 'CloneAuthorizationRevoked');
    expect(await tenant.claims()).toEqual(['source']);
  });

  test('of a source that was made again under the same name', async () => {
    const { tenant } = await tenantWithSource('replaced');

    await tenant.clone('copy', { sourceUid: '00000000-0000-0000-0000-000000000000' });

    await tenant.reaches('copy', 'Failed', 'SourceReplaced');
    expect(await tenant.claims()).toEqual(['source']);
  });

  test('by a pod that no node runs: it waits, the target has no volume, and all of it goes with the DataVolume', async () => {
    const { tenant } = await tenantWithSource('later');

    await tenant.clone('copy', { strategy: 'copy' });

    await tenant.reaches('copy', 'CloneScheduled', 'CopyPodPending');
    expect((await tenant.claim('copy')).spec?.volumeName).toBeUndefined();
    expect(await tenant.kubectl('get', 'pods', '-o', 'name')).toMatch(/^pod\/clonegate-copy-/);
    await tenant.kubectl('delete', 'datavolume', 'copy', '--wait=true');
    await until('pod and claims to be gone', async () => {
      // No kubelet says that the pod has ended.
      await tenant.kubectl('delete', 'pods', '--all', '--force', '--grace-period=0');
      const claims = await tenant.claims();
      return claims.length === 1 && claims[0] === 'source';
    });
  });

  test("in the place of somebody else's claim", async () => {
    const { tenant } = await tenantWithSource('foreign');
    await tenant.createClaim('copy', { storageClassName: 'reflink-wffc' });
    const before = await tenant.claim('copy');

    await tenant.clone('copy');
    await tenant.reaches('copy', 'Pending', 'ErrResourceExists');
    expect((await tenant.claim('copy')).metadata).toEqual(before.metadata);

    await tenant.kubectl('delete', 'pvc', 'copy');
    await tenant.reaches('copy', 'Succeeded');
  });
});

describe('deleting the DataVolume', () => {
  test.each([
    ['while the clone is under way', 'WaitForFirstConsumer', { storageClassName: 'reflink-wffc' }],
    ['after it', 'Succeeded', { storageClassName: 'reflink' }],
  ])('%s leaves nothing behind', async (_name, phase, claim) => {
    const { tenant } = await tenantWithSource('deleted');
    await tenant.clone('copy', { claim });
    await tenant.reaches('copy', phase);

    await tenant.kubectl('delete', 'dv', 'copy', '--timeout=240s');

    const look = async () => {
      const claims = await tenant.claims();
      return !claims.includes('copy') && claims;
    };
    const left = await until('the claim to be gone', look);
    expect(left).toEqual(['source']);
  });

  test('in the foreground waits for the claim', async () => {
    const { tenant } = await tenantWithSource('foreground');
    await tenant.clone('copy', { claim: { storageClassName: 'reflink-wffc' } });
    await tenant.reaches('copy', 'WaitForFirstConsumer');
    expect((await tenant.volume('copy')).metadata.finalizers).toEqual([finalizer]);

    await tenant.kubectl('delete', 'dv', 'copy', '--cascade=foreground', '--timeout=240s');

    expect(await tenant.claims()).toEqual(['source']);
  });

  test('that was never authorized works too', async () => {
    const { tenant } = await tenantWithSource('unstamped');
    await tenant.post(plainClone({ namespace: tenant.namespace, name: 'copy', source: 'source' }));
    await tenant.reaches('copy', 'Failed');

    await tenant.kubectl('delete', 'dv', 'copy', '--timeout=240s');
    expect(await tenant.kubectl('get', 'dv', '-o', 'name')).toBe('');
  });
});

test('the commands of docs/runbook.md answer for a clone that waits', async () => {
  const { tenant } = await tenantWithSource('runbook');
  await tenant.clone('copy', { claim: { storageClassName: 'reflink-wffc' } });
  const { uid = '' } = (await tenant.reaches('copy', 'WaitForFirstConsumer')).metadata;
  await tenant.events('copy', 'WaitForFirstConsumer');

  const answers: string[] = [];
  for (const line of runbookCommands({ namespace: tenant.namespace, name: 'copy', uid })) {
    const { code, output } = await shell(cluster, line);
    expect(output).not.toMatch(/error/i);
    expect(code).toBe(0);
    answers.push(output);
  }

  expect(answers).toEqual([
    expect.stringMatching(/^copy +WaitForFirstConsumer/m),
    expect.stringMatching(/Reason: +WaitForFirstConsumer[^]*Events:[^]*WaitForFirstConsumer/),
    expect.stringContaining('"strategy":"csi-clone"'),
    expect.stringContaining('persistentvolumeclaim/copy'),
    expect.stringContaining('No resources found'),
    expect.stringMatching(/^clonegate-controller +\S/m),
    'datavolume.cdi.kubevirt.io/copy patched\n',
  ]);
});

test('the controller was refused nothing, but for the quota', async () => {
  const events = (await cluster.auditEvents())
    .filter(cameSince(begin))
    .filter(({ user }) => user.username === controllerUser);
  const refused = events.filter(
    ({ responseStatus, objectRef }) => responseStatus?.code === 403 && !objectRef?.namespace?.startsWith('quota-'),
  );

  expect(events.length).toBeGreaterThan(0);
  expect(refused).toEqual([]);
});
