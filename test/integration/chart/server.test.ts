import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { chartFolder, type Rendered, renderChart } from '../../support/helm/chart.ts';

/** The API server takes every object of every mode, field by field, and Pod Security has nothing to say, at its strictest. */

const cluster = sharedCluster();
const ci = readdirSync(join(chartFolder, 'ci')).toSorted();
/** Kinds whose definitions others bring. */
const foreign = new Set(['Certificate', 'Issuer', 'ServiceMonitor']);

let namespace: string;
beforeAll(async () => {
  namespace = await createNamespace(cluster, 'restricted');
  const labels = ['enforce', 'warn', 'audit'].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`);
  await kubectl('label', 'namespace', namespace, ...labels);
  // What is only tried is not there for the next one.
  await kubectl('create', 'serviceaccount', '-n', namespace, 'clonegate-verify');
});
afterAll(async () => await cluster.close());

async function kubectl(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(stderr);
}

async function objectsOf(file: string, ...set: readonly string[]): Promise<readonly Rendered[]> {
  const here = [`namespaceOverride=json:"${namespace}"`, `events.auditNamespace=json:"${namespace}"`];
  // What is limited to namespaces is so to this one, for it exists; Pod Security forbids the node's network to everybody.
  const limited = file.startsWith('namespaced') ? [`namespaces=json:["${namespace}"]`] : [];
  // This cluster has IPv4 alone.
  const families = ['service.ipFamilies=json:["IPv4"]'];
  const all = [...here, ...limited, ...families, 'webhook.hostNetwork=json:false', ...set];
  return await renderChart({ files: [join(chartFolder, 'ci', file)], set: all });
}

async function tried(objects: readonly Rendered[]): Promise<string> {
  const items = objects.filter(({ kind }) => !foreign.has(kind));
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const { code, stdout, stderr } = await cluster.kubectl(
    ['apply', '--dry-run=server', '--validate=strict', '-f', '-'],
    { input },
  );
  const answers = stdout.split('\n').filter((line) => line.includes('(server dry run)'));
  // It is there already, by another way: other files install on this cluster, too.
  const said = stderr.replaceAll(/^Warning: resource \S+ is missing the kubectl\S+ annotation.*\n/gm, '');
  return `${said}${code === 0 && answers.length === items.length ? 'all taken' : `${answers.length} of ${items.length} taken`}`;
}

test.each(ci)('%s', async (file) => {
  expect(await tried(await objectsOf(file))).toBe('all taken');
});

test('what Pod Security forbids, and what no object has, would be seen', async () => {
  const objects = await objectsOf('minimal-values.yaml', 'webhook.hostNetwork=json:true', 'webhook.port=json:10251');
  expect(await tried(objects)).toMatch(/Warning: would violate PodSecurity "restricted:latest": host namespaces/);
  const misspelt = objects.map((object) => (object.kind === 'Service' ? { ...object, sepc: {} } : object));
  expect(await tried(misspelt)).toMatch(/unknown field "sepc"/);
});
