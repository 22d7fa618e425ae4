import { afterAll, expect, test } from 'vitest';
import { until } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';

const cluster = sharedCluster();
afterAll(() => cluster.close());

test('every request can be counted by user, verb and resource, the refused ones too', async () => {
  const namespace = await createNamespace(cluster, 'audit');
  const list = () =>
    cluster.kubectl(['get', '--raw', `/api/v1/namespaces/${namespace}/configmaps`], { user: 'tenant-b' });
  await list();
  await list();
  await list();
  const requests = async () =>
    (await cluster.auditEvents()).filter(
      ({ user, verb, objectRef }) =>
        user.username === 'tenant-b' &&
        verb === 'list' &&
        objectRef?.resource === 'configmaps' &&
        objectRef.namespace === namespace,
    );
  await until('the third request in the audit log', async () => (await requests()).length >= 3);
  expect((await requests()).map(({ stage, responseStatus }) => ({ stage, code: responseStatus?.code }))).toEqual(
    Array.from({ length: 3 }, () => ({ stage: 'ResponseComplete', code: 403 })),
  );
});
