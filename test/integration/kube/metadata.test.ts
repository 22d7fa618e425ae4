import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KubeObject } from '../../../shared/api/objects.ts';
import { metadataOf } from '../../../shared/kube/resource.ts';
import { configMaps } from '../../support/build/configmap.ts';
import { createNamespace } from '../../support/cluster/namespace.ts';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { clientOf } from './client.ts';

/** A kind of which only the metadata is asked for. */

const cluster = sharedCluster();
const lean = metadataOf(configMaps);
let client: Awaited<ReturnType<typeof clientOf>>;
let namespace: string;
beforeAll(async () => {
  client = await clientOf(cluster.kubeconfig('admin'));
  namespace = await createNamespace(cluster, 'metadata');
});
afterAll(async () => {
  await client.close();
  await cluster.close();
});

async function put(name: string): Promise<void> {
  const metadata = { namespace, name, annotations: { kept: 'yes' } };
  await client.create(configMaps, { metadata, data: { secret: 'left out' } });
}

test('is listed and watched without its content', async () => {
  await put('listed');
  const seen: KubeObject[] = [];
  let version = '';
  for await (const page of client.pages(lean, { namespace })) {
    seen.push(...page.items);
    version = page.resourceVersion;
  }
  await put('watched');
  for await (const event of client.watch(lean, { namespace, resourceVersion: version })) {
    if (event.type !== 'ADDED') continue;
    seen.push(event.object);
    break;
  }
  const ours = seen.filter(({ metadata }) => metadata.annotations?.['kept'] === 'yes');
  expect(ours.map(({ metadata }) => metadata.name)).toEqual(['listed', 'watched']);
  expect(JSON.stringify(seen)).not.toContain('left out');
});
