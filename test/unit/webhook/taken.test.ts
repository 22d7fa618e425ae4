import { describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import type { ObjectMeta } from '../../../shared/api/objects.ts';
import { claims } from '../../../shared/kube/resource.ts';
import { admit, annotate, cloneOf, type World, worldWithSource } from './world.ts';

/** A world in which the claim tenant-a/disk exists. */
async function worldWithTarget(metadata: ObjectMeta = {}): Promise<World> {
  const world = await worldWithSource();
  await world.put(claims, { metadata: { namespace: 'tenant-a', name: 'disk', ...metadata } });
  return world;
}

const owner = (kind: string, controller = true) => ({ apiVersion: 'x/v1', kind, name: 'disk', uid: 'u', controller });

async function admitted(world: World, volume: DataVolume = cloneOf()): Promise<boolean> {
  return (await admit(world, volume)).ruling.response.allowed;
}

describe('a claim of the name that the target is to have', () => {
  it('refuses the clone, and says what to do', async () => {
    const { response } = (await admit(await worldWithTarget(), cloneOf())).ruling;
    expect(response.status).toMatchObject({
      code: 422,
      reason: 'Invalid',
      details: { causes: [{ reason: 'TargetExists', field: 'metadata.name' }] },
    });
    expect(response.status?.message).toMatch(
      /^TargetExists: PersistentVolumeClaim tenant-a\/disk exists already.*choose another name.*delete the claim.*allowClaimAdoption/,
    );
  });

  it.each([
    ['is filled for this DataVolume', { annotations: { [annotations.populatedFor]: 'disk' } }, true],
    ['is filled for another one', { annotations: { [annotations.populatedFor]: 'other' } }, false],
    ['belongs to a DataVolume', { ownerReferences: [owner('DataVolume')] }, true],
    ['belongs to something else', { ownerReferences: [owner('StatefulSet')] }, false],
    ['is only known to a DataVolume', { ownerReferences: [owner('DataVolume', false)] }, false],
  ])('and %s', async (_, metadata, allowed) => {
    expect(await admitted(await worldWithTarget(metadata))).toBe(allowed);
  });

  it.each([
    ['true', true],
    ['T', true],
    ['1', true],
    ['false', false],
    ['yes', false],
    ['', false],
  ])('is taken over when the DataVolume says %j: %s', async (value, allowed) => {
    const volume = annotate(cloneOf(), { [annotations.allowClaimAdoption]: value });
    expect(await admitted(await worldWithTarget(), volume)).toBe(allowed);
  });

  it('refuses a DataVolume that takes an existing volume, too, unless that claim was filled for it', async () => {
    const volume = annotate(cloneOf(), { [annotations.prePopulated]: 'disk' });
    expect(await admitted(await worldWithTarget(), volume)).toBe(false);
    const filled = await worldWithTarget({ annotations: { [annotations.populatedFor]: 'disk' } });
    expect(await admitted(filled, volume)).toBe(true);
  });

  it('of another namespace is none', async () => {
    expect(await admitted(await worldWithTarget({ namespace: 'tenant-b' }))).toBe(true);
  });

  it('that was deleted a moment ago is none', async () => {
    const world = await worldWithTarget();
    world.haunted = true;
    world.api.remove(claims, { namespace: 'tenant-a', name: 'disk' });
    expect(await admitted(world)).toBe(true);
  });

  it('that is not known costs no read', async () => {
    const world = await worldWithSource();
    const before = world.api.calls.length;
    expect(await admitted(world)).toBe(true);
    expect(world.api.calls.slice(before).map(({ name }) => name)).toEqual(['fedora']);
  });

  it('is not told to somebody who may not clone', async () => {
    const world = await worldWithTarget();
    world.answer = 'no';
    expect((await admit(world, cloneOf())).ruling.response.status?.message).toMatch(/^CloneDenied: /);
  });
});
