import { afterAll, expect, test } from 'vitest';
import { until } from '../../support/cluster/index.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { createPod, podReady, runPod } from '../../support/pods.ts';

const cluster = sharedCluster();
afterAll(() => cluster.close());

test('pods reach each other and the API server by Services, and so does the API server the pods', async () => {
  const namespace = await createNamespace(cluster, 'network');
  await createPod(cluster, namespace, {
    name: 'server',
    script: 'mkdir /tmp/www; echo hello > /tmp/www/index.html; httpd -f -p 8080 -h /tmp/www',
  });
  const { spec } = await cluster.api.post<{ spec: { clusterIP: string } }>(`/api/v1/namespaces/${namespace}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'server' }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  await podReady(cluster, namespace, 'server');
  const proxied = await until('the Service to lead somewhere', () =>
    cluster.api.get(`/api/v1/namespaces/${namespace}/services/web:80/proxy/index.html`),
  );
  expect(proxied).toBe('hello\n');
  const { logs } = await runPod(cluster, namespace, {
    name: 'client',
    // Not by the environment: it tells of the Services that its kubelet knew when the pod began, which may be a moment behind.
    script: `
      until printf 'GET /index.html HTTP/1.0\\r\\n\\r\\n' | nc "${spec.clusterIP}" 80 | tail -n 1 | grep hello; do :; done
      until nc "$KUBERNETES_SERVICE_HOST" 443 < /dev/null; do :; done
      echo through
    `,
  });
  expect(logs).toBe('hello\nthrough\n');
});
