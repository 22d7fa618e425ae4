import { beforeAll, describe, expect, test } from 'vitest';
import { annotations } from '../../../../shared/api/names.ts';
import { until } from '../../../support/cluster/index.ts';
import { loopDevices } from '../../../support/cluster/remains.ts';
import { loopsOfVolume } from '../../../support/csi/loops.ts';
import type { Tenant } from '../../controller/tenant.ts';
import { starve } from './outside.ts';
import { leftIn, order, readImage, type Stage, slowly, slowlyCopyingIn, succeeds, writeImage } from './stage.ts';

/** Copies that cannot be made, or not yet: what their users are told, and what becomes of them. */

const block = { mode: 'Block', storage: '8Mi', storageClassName: 'reflink' } as const;
const mebibyte = 1024 ** 2;

/** @param at the stage, once it is set. */
export function failingCopies(at: () => Stage): void {
  let stage: Stage;
  let from: Tenant;
  let into: Tenant;
  let sum: string;

  beforeAll(async () => {
    stage = at();
    [from, into] = await Promise.all([stage.tenant('worn'), stage.tenant('hoping')]);
    sum = await writeImage(stage, from.namespace, 'source', 'Block');
  });

  const sumOf = async (name: string): Promise<string> => (await readImage(stage, into.namespace, name, 'Block')).sum;
  const recordOf = async (name: string): Promise<unknown> => {
    const { metadata } = await into.volume(name);
    return JSON.parse(metadata.annotations?.[annotations.copy] ?? '{}');
  };
  const nothingIsLeftOf = async (name: string): Promise<void> => {
    expect((await into.claim(name)).spec?.volumeName).toBeUndefined();
    const volume = await into.volume(name);
    await until('nothing to be left of it', async () => (await leftIn(from, volume)) === '');
  };
  const noteOf = async (name: string, reason: string): Promise<string> =>
    (await into.events(name, reason)).find((event) => event.reason === reason)?.note ?? '';

  describe('where the storage fails', () => {
    const broken = { readsFrom: 4 * mebibyte, writesFrom: 4 * mebibyte };
    /** The byte that is told lies in the stretch of 2 MiB at most that failed. */
    const failing = /qemu-img said: .*error while (?:reading|writing).* at byte (\d+): Input\/output error/;

    test.concurrent('is told of with the byte, at the source and at the destination, and ends when trying again does not help', async () => {
      const faults = stage.cluster.faults('other');
      await faults.setMedium({});
      try {
        await writeImage(stage, from.namespace, 'brittle', 'Block', { storageClassName: 'other' });
        // Whoever still has it, has it in memory.
        const file = await stage.cluster.claimPath(from.namespace, 'brittle');
        await until('the volume to be unstaged', async () => (await loopsOfVolume(file)).length === 0);
        await faults.setMedium(broken);
        const unread = { name: 'unread', source: 'brittle' };
        const unwritten = { name: 'unwritten', storageClassName: 'other' };
        for (const one of [unread, unwritten]) await order(stage, into, { ...block, from, ...one });

        for (const { name } of [unread, unwritten]) {
          const { status } = await into.reaches(name, 'Failed', 'CopyIOError', { timeout: 300_000 });
          const { message = '' } = status?.conditions?.find(({ type }) => type === 'Running') ?? {};
          expect(message).toMatch(/^the copy failed 3 times; the last time: /);
          const byte = Number(failing.exec(message)?.[1]);
          expect(byte).toBeGreaterThanOrEqual(2 * mebibyte);
          expect(byte).toBeLessThan(8 * mebibyte);
          expect(await noteOf(name, 'CopyIOError')).toMatch(failing);
          expect(await recordOf(name)).toMatchObject({ attempts: 3, failures: 3, reason: 'CopyIOError' });
          await nothingIsLeftOf(name);
        }
      } finally {
        await faults.dispose();
      }
    });

    test.concurrent('is tried again, and succeeds when the storage is whole meanwhile', async () => {
      const faults = stage.cluster.faults('far');
      await faults.setMedium(broken);
      try {
        await order(stage, into, { ...block, name: 'mended', from, storageClassName: 'far' });
        expect(await noteOf('mended', 'CopyIOError')).toMatch(failing);
        expect((await into.claim('mended')).spec?.volumeName).toBeUndefined();
      } finally {
        await faults.dispose();
      }
      await succeeds(into, 'mended');
      expect(await sumOf('mended')).toBe(sum);
    });
  });

  test.concurrent('where there is no room for the image: it does not fit at all, or not with all of its blocks', async () => {
    const narrow = { ...block, name: 'narrow', storage: '4Mi', mode: 'Filesystem' } as const;
    // ext4 keeps the last twentieth for root: the image is smaller than the file system, and larger than what is left.
    const tight = { ...narrow, name: 'tight', storage: '10Mi', spec: { preallocation: true } };
    for (const one of [narrow, tight]) await order(stage, into, { from, ...one });
    const small = await into.reaches('narrow', 'Failed', 'CopyTargetTooSmall');
    expect(JSON.stringify(small.status)).toMatch(
      /the disk image has 8388608 bytes and the file system .* only \d{7}\b/,
    );
    const full = await into.reaches('tight', 'Failed', 'CopyNoSpace');
    expect(JSON.stringify(full.status)).toContain('No space left on device');
    for (const { name } of [narrow, tight]) {
      expect(await recordOf(name)).toMatchObject({ attempts: 1, final: true });
      await nothingIsLeftOf(name);
    }
  });

  test.concurrent('out of memory', async () => {
    await order(stage, into, { ...block, name: 'hungry', from, notes: slowly });
    const pod = await slowlyCopyingIn(stage, from, into, 'hungry');
    await until('the kernel to end it', () => starve(pod));
    await succeeds(into, 'hungry');
    expect(await recordOf('hungry')).toMatchObject({ attempts: 1, failures: 1, reason: 'CopyOutOfMemory' });
    expect(await noteOf('hungry', 'CopyOutOfMemory')).toContain('--copy-limits');
    expect(await sumOf('hungry')).toBe(sum);
  });

  test('where the image of the copy pod cannot be had, until it can', async () => {
    const { archive, reference } = stage.image;
    await stage.cluster.removeImage(reference);
    try {
      await order(stage, into, { ...block, name: 'imageless', from });
      const { status } = await into.reaches('imageless', 'CloneScheduled', 'CopyImagePullFailed');
      expect(JSON.stringify(status?.conditions)).toContain(reference);
    } finally {
      await stage.cluster.importImage(archive);
    }
    await succeeds(into, 'imageless');
    expect((await into.volume('imageless')).status?.restartCount ?? 0).toBe(0);
    expect(await sumOf('imageless')).toBe(sum);
  });

  test('whose node is gone, go on elsewhere once it is said to be', async () => {
    const { cluster } = stage;
    const kubelet = cluster.process('kubelet.node-2');
    await from.kubectl('cordon', 'node-1');
    try {
      await order(stage, into, { ...block, name: 'lost', from, notes: { [annotations.bandwidth]: '256Ki' } });
      await slowlyCopyingIn(stage, from, into, 'lost');
    } finally {
      await from.kubectl('uncordon', 'node-1');
    }
    await kubelet.kill();
    const outOfService = 'node.kubernetes.io/out-of-service';
    try {
      await until('the node to be missed', async () => (await isReady(stage, 'node-2')) === 'Unknown');
      await from.kubectl('taint', 'node', 'node-2', `${outOfService}=nodeshutdown:NoExecute`);
      await succeeds(into, 'lost');
      expect(await recordOf('lost')).toMatchObject({ attempts: 1, failures: 0, reason: 'CopyNodeLost' });
    } finally {
      await kubelet.start();
      await from.kubectl('taint', 'node', 'node-2', `${outOfService}-`);
    }
    expect(await sumOf('lost')).toBe(sum);
    const device = `${cluster.address.folder}/pool/reflink/devices/node-2/`;
    await until('the node to let go of what it had', () => !loopDevices().some(({ file }) => file.startsWith(device)));
  });
}

interface Node {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

async function isReady({ cluster }: Stage, name: string): Promise<string | undefined> {
  const { status } = await cluster.api.get<Node>(`/api/v1/nodes/${name}`);
  return status.conditions.find(({ type }) => type === 'Ready')?.status;
}
