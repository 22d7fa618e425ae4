import { describe, expect, test } from 'vitest';
import type { KubeObject, Stored } from '../../../../shared/api/objects.ts';
import { claims, pods, type Resource, volumeSnapshots } from '../../../../shared/kube/resource.ts';
import { distinct, finished, simulate } from './disturbed.ts';

const temporaryKinds: readonly Resource<KubeObject>[] = [claims, volumeSnapshots, pods];

describe('a controller that was cut off', () => {
  const ways = distinct.filter(
    ({ kind: { elsewhere, from, strategy } }) => elsewhere || (strategy === 'snapshot' && from !== 'VolumeSnapshot'),
  );

  test.each(ways)('$name: may make things once more when all is done, and nothing of them stays', async ({ kind }) => {
    const simulation = await simulate(kind, { slow: true });
    const made = new Map<Resource<KubeObject>, Stored<KubeObject>>();
    simulation.onWrite = () => {
      for (const resource of temporaryKinds) {
        const child = simulation.storage.api
          .all(resource)
          .find(({ metadata }) => metadata.name.startsWith('clonegate-'));
        if (child !== undefined && !made.has(resource)) made.set(resource, child);
      }
    };
    await simulation.settle();
    simulation.onWrite = () => undefined;
    expect(made.size).toBeGreaterThan(0);

    for (const [resource, child] of made) await simulation.storage.api.client().create(resource, child);
    await simulation.settle();

    expect(simulation.outcome()).toMatchObject(finished(kind));
  });
});
