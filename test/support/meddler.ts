import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { issueAuthority, issueServing } from '../../certs/issue.ts';
import type { DataVolume } from '../../shared/api/datavolume.ts';
import type { Cluster } from './cluster/index.ts';
import { until } from './cluster/until.ts';

/**
 * Another mutating webhook, which the API server calls after ours: what it makes of a DataVolume is what ours has to live with. It is
 * called again when ours has changed the object once more, so it has the last word.
 */
export interface Meddler {
  /** What it does from now on. `time` is 1 at the first call for an object, 2 when it is called again. */
  meddle: (volume: DataVolume, time: number) => DataVolume;
  close(): Promise<void>;
}

const leave = (volume: DataVolume): DataVolume => volume;
const name = 'zz-meddler';

/** @returns when the API server calls it. */
export async function startMeddler(cluster: Cluster): Promise<Meddler> {
  const now = Date.now();
  const authority = issueAuthority({ commonName: name, days: 1, now });
  const serving = issueServing(authority, { dnsNames: [], ipAddresses: ['127.0.0.1'], days: 1, now });
  const times = new Map<string, number>();
  const meddler: Meddler = {
    meddle: leave,
    close: async () => {
      await cluster.kubectl(['delete', 'mutatingwebhookconfiguration', name]);
      server.close();
      server.closeAllConnections();
    },
  };
  const server = createServer({ cert: serving.certificatePem, key: serving.privateKeyPem }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Review;
      const { uid, object } = review.request;
      // The same request in a second round has another uid, but the object has the same name.
      const key = object.metadata.name ?? object.metadata.generateName ?? '';
      const time = (times.get(key) ?? 0) + 1;
      times.set(key, time);
      const patch = differences(object, meddler.meddle(object, time));
      const changes = patch.length === 0 ? {} : { patchType: 'JSONPatch', patch: btoa(JSON.stringify(patch)) };
      const { apiVersion, kind } = review;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ apiVersion, kind, response: { uid, allowed: true, ...changes } }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await install(cluster, (server.address() as AddressInfo).port, authority.certificatePem);
  await until('the API server to call the meddler', async () => {
    await cluster.api.post('/apis/cdi.kubevirt.io/v1beta1/namespaces/default/datavolumes?dryRun=All', probe);
    return times.has(probe.metadata.name);
  });
  return meddler;
}

interface Review {
  readonly apiVersion: string;
  readonly kind: string;
  readonly request: { readonly uid: string; readonly object: DataVolume };
}

const probe = {
  apiVersion: 'cdi.kubevirt.io/v1beta1',
  kind: 'DataVolume',
  metadata: { name: 'meddled-with' },
  spec: { source: { blank: {} }, storage: { resources: { requests: { storage: '1Gi' } } } },
};

/** Whole members: it is a test, and the API server compares the results. */
function differences(before: DataVolume, after: DataVolume): readonly object[] {
  const operations: object[] = [];
  if (JSON.stringify(before.metadata) !== JSON.stringify(after.metadata))
    operations.push({ op: 'replace', path: '/metadata', value: after.metadata });
  if (JSON.stringify(before.spec) !== JSON.stringify(after.spec))
    operations.push({ op: 'replace', path: '/spec', value: after.spec });
  return operations;
}

async function install(cluster: Cluster, port: number, ca: string): Promise<void> {
  const rule = { apiGroups: ['cdi.kubevirt.io'], apiVersions: ['v1beta1'], resources: ['datavolumes'] };
  const configuration = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    // By name behind ours: that is the order in which the API server calls them.
    metadata: { name },
    webhooks: [
      {
        name: 'meddler.example.com',
        admissionReviewVersions: ['v1'],
        clientConfig: { url: `https://127.0.0.1:${port}/`, caBundle: btoa(ca) },
        rules: [{ ...rule, operations: ['CREATE'] }],
        failurePolicy: 'Fail',
        sideEffects: 'None',
        reinvocationPolicy: 'IfNeeded',
      },
    ],
  };
  const { code, stderr } = await cluster.kubectl(['apply', '-f', '-'], { input: JSON.stringify(configuration) });
  if (code !== 0) throw new Error(stderr);
}
