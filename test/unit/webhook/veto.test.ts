import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import { claims, namespaces, volumeSnapshots } from '../../../shared/kube/resource.ts';
import { claim } from '../../support/build/storage.ts';
import { admit, cloneByReference, cloneOf, newWorld, putDataSource, type World } from './world.ts';

const veto = (value: string) => ({ [annotations.clone]: value });

/** golden/fedora, and its namespace, with these values of the annotation. */
async function worldOf({ source, space }: { source?: string; space?: string }): Promise<World> {
  const world = newWorld();
  await world.put(claims, claim(source === undefined ? {} : { annotations: veto(source) }));
  await world.put(namespaces, { metadata: { name: 'golden', annotations: space === undefined ? {} : veto(space) } });
  return world;
}

describe('a veto', () => {
  it.each<[string, Parameters<typeof worldOf>[0], string]>([
    ['the source', { source: 'deny' }, 'PersistentVolumeClaim golden/fedora'],
    ['its namespace', { space: 'deny' }, 'namespace golden'],
    ['its namespace, which a source that allows cannot undo', { source: 'allow', space: 'deny' }, 'namespace golden'],
    ['a word that nobody knows', { source: 'Deny!' }, 'PersistentVolumeClaim golden/fedora'],
    ['nothing at all in the place of a word', { space: '' }, 'namespace golden'],
  ])('of %s refuses the clone to somebody who has the right, and says who', async (_, where, by) => {
    const { ruling } = await admit(await worldOf(where), cloneOf());
    const message = `${by} lets nobody clone (annotation clonegate.io/clone); only who is in charge of it can change that`;
    expect(ruling.response.status).toEqual({
      code: 403,
      reason: 'Forbidden',
      message: `CloneVetoed: ${message}`,
      details: { causes: [{ reason: 'CloneVetoed', message: `${message} (CloneVetoed)`, field: 'spec.source.pvc' }] },
    });
  });

  it.each([{}, { source: 'allow' }, { space: 'allow' }])('is not there with %j', async (where) => {
    expect((await admit(await worldOf(where), cloneOf())).ruling.response.allowed).toBe(true);
  });

  it('of a snapshot, and of what a DataSource leads to, counts as well', async () => {
    const world = await worldOf({ source: 'deny' });
    await putDataSource(world, { name: 'fedora' });
    const byReference = (await admit(world, cloneByReference())).ruling.response;
    expect(byReference.status?.details?.causes).toMatchObject([{ reason: 'CloneVetoed', field: 'spec.sourceRef' }]);
    await world.put(volumeSnapshots, { metadata: { namespace: 'golden', name: 'daily', annotations: veto('deny') } });
    const source = { snapshot: { namespace: 'golden', name: 'daily' } };
    const ofSnapshot = (await admit(world, cloneOf({ source }))).ruling.response;
    expect(ofSnapshot.status?.details?.causes).toMatchObject([
      { reason: 'CloneVetoed', field: 'spec.source.snapshot' },
    ]);
  });

  it('of a namespace refuses a clone whose source does not exist yet', async () => {
    const world = newWorld();
    await world.put(namespaces, { metadata: { name: 'golden', annotations: veto('deny') } });
    expect((await admit(world, cloneOf())).ruling.response.status?.message).toMatch(/^CloneVetoed: /);
  });

  it('is not told to somebody without the right', async () => {
    const answers = await Promise.all(
      [{}, { source: 'deny' }, { space: 'deny' }].map(async (where) => {
        const world = await worldOf(where);
        world.answer = 'no';
        return (await admit(world, cloneOf())).ruling.response;
      }),
    );
    expect(answers[0]?.status?.message).toMatch(/^CloneDenied: /);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  it('does not concern a DataVolume that takes a volume which exists', async () => {
    const volume = cloneOf({}, { annotations: { [annotations.prePopulated]: 'disk' } });
    const { ruling, mutated } = await admit(await worldOf({ source: 'deny' }), volume);
    expect(ruling.response.allowed).toBe(true);
    expect(mutated.metadata.annotations).not.toHaveProperty([annotations.stamp]);
  });
});
