import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { annotations } from '../../../../shared/api/names.ts';
import type { VolumeMode } from '../../../../shared/api/objects.ts';
import { createClaim } from '../../../support/claims.ts';
import { until } from '../../../support/cluster/index.ts';
import type { Tenant } from '../../controller/tenant.ts';
import { describeApart } from './apart.ts';
import { failingCopies } from './failing.ts';
import { killProgramIn } from './outside.ts';
import {
  copyingIn,
  leftIn,
  mostOnANode,
  order,
  perNode,
  readImage,
  readImages,
  type Stage,
  say,
  setStage,
  slowly,
  slowlyCopyingIn,
  succeeds,
  writeImage,
  writerOf,
} from './stage.ts';

/** The real controller and the real program in real pods, between two drivers; what comes of it is read by pods, too. */

let stage: Stage;
let golden: Tenant;
let tenant: Tenant;
const sums = new Map<string, string>();
const modes: readonly VolumeMode[] = ['Filesystem', 'Block'];
const sourceOf = (mode: VolumeMode): string => `source-${mode.toLowerCase()}`;

beforeAll(async () => {
  stage = await setStage();
  [golden, tenant] = await Promise.all([stage.tenant('golden'), stage.tenant('tenant')]);
  for (const mode of modes) sums.set(mode, await writeImage(stage, golden.namespace, sourceOf(mode), mode));
});
afterAll(async () => stage?.close());

describe('a disk image', () => {
  const matrix = modes.flatMap((from) =>
    modes.flatMap((to) =>
      [false, true].flatMap((elsewhere) =>
        [false, true].map((larger) => ({
          from,
          to,
          elsewhere,
          larger,
          name: `${from[0]}${to[0]}-${elsewhere ? 'else' : 'here'}-${larger ? 'large' : 'same'}`.toLowerCase(),
        })),
      ),
    ),
  );
  const into = (elsewhere: boolean): Tenant => (elsewhere ? tenant : golden);

  test('is copied from any mode into any, here and elsewhere, at its size and larger, byte by byte, so many on a node', async () => {
    for (const { from, to, elsewhere, larger, name } of matrix) {
      const size = to === 'Block' ? (from === 'Block' ? 8 : 32) : 32;
      const storage = `${larger ? 2 * size : size}Mi`;
      await order(stage, into(elsewhere), { name, from: golden, source: sourceOf(from), mode: to, storage });
    }
    const ends = Promise.all(matrix.map(async ({ elsewhere, name }) => await succeeds(into(elsewhere), name)));
    const most = await mostOnANode(stage, ends);
    for (const { status } of await ends) expect(status?.progress).toBe('100.0%');
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(perNode);
    const found = await Promise.all(
      [false, true].map(async (elsewhere) => {
        const wanted = matrix.filter((one) => one.elsewhere === elsewhere).map(({ name, to }) => [name, to] as const);
        return await readImages(stage, into(elsewhere).namespace, wanted);
      }),
    );
    const seen = matrix.map(({ from, elsewhere, name }) => {
      const { sum, file = '' } = found[Number(elsewhere)]?.get(name) ?? {};
      return { name, same: sum === sums.get(from), file: file.replace(/ \d+$/, '') };
    });

    expect(seen).toEqual(
      matrix.map(({ to, name }) => ({
        name,
        same: true,
        file: to === 'Block' ? 'device' : '107:107 660',
      })),
    );
    expect(await leftIn(golden)).toBe('');
  });

  test('grows with a target that was asked for larger', async () => {
    const sizes = await Promise.all(
      ['ff-here-same', 'ff-here-large'].map(async (name) => (await readImageSize(name)).trim()),
    );
    expect(Number(sizes[0])).toBe(8 * 1024 ** 2);
    expect(Number(sizes[1])).toBeGreaterThan(32 * 1024 ** 2);
  });

  async function readImageSize(claim: string): Promise<string> {
    return say(stage.cluster, golden.namespace, {
      name: `size-${claim}`,
      script: 'stat -c %s /data/disk.img',
      claims: { [claim]: '/data' },
    });
  }

  test('is verified when its user asks for it, and the digest is that of the bytes', async () => {
    await order(stage, tenant, {
      name: 'verified',
      from: golden,
      source: sourceOf('Block'),
      mode: 'Block',
      storage: '8Mi',
      notes: { [annotations.verify]: 'true' },
    });
    const { metadata } = await succeeds(tenant, 'verified');
    expect(metadata.annotations?.[annotations.digest]).toBe(`sha256:${sums.get('Block')?.split(' ')[0]}`);
    const events = await tenant.events('verified', 'CloneSucceeded');
    expect(events.find(({ reason }) => reason === 'CopyFinished')?.note).toContain('read again and compared');
  });

  test('is copied of a snapshot, which is restored for it by its own driver', async () => {
    await golden.snapshot(sourceOf('Block'));
    const snapshot = { kind: 'VolumeSnapshot', source: sourceOf('Block') } as const;
    await order(stage, tenant, { name: 'of-snapshot', from: golden, ...snapshot, mode: 'Filesystem' });
    await succeeds(tenant, 'of-snapshot');
    expect((await readImage(stage, tenant.namespace, 'of-snapshot', 'Filesystem')).sum).toBe(sums.get('Block'));
    expect(await leftIn(golden)).toBe('');
  });
});

const archive = { contentType: 'archive' } as const;

describe('a tree of files', () => {
  const list = `cd /data; find . -path ./lost+found -prune -o -exec stat -c '%n %F %u:%g %a %h %Y' {} + | sort; find . -type f | sort | xargs sha256sum; readlink link`;

  test('is copied with owners, modes, times, links and holes', async () => {
    await createClaim(stage.cluster, golden.namespace, 'tree');
    await golden.kubectl('annotate', 'persistentvolumeclaim', 'tree', `${annotations.contentType}=archive`);
    const script = `
      cd /data; mkdir -p a/b; echo one > a/one; ln a/one a/b/two; ln -s ../../etc/passwd link
      dd if=/dev/urandom of=a/data bs=1k count=100 2>/dev/null; truncate -s 4M a/data
      chown 1000:2000 a/one a/b; chmod 4750 a/one; chmod 1777 a/b; touch -d '2001-02-03 04:05:06' a/data a/b
      ${list}`;
    const before = await say(stage.cluster, golden.namespace, { name: 'plants', script, claims: { tree: '/data' } });
    await order(stage, tenant, { name: 'tree', from: golden, source: 'tree', spec: archive });
    await succeeds(tenant, 'tree');
    const after = await say(stage.cluster, tenant.namespace, {
      name: 'looks',
      script: list,
      claims: { tree: '/data' },
    });
    expect(after).toBe(before);
  });

  test('is not let into a namespace that is restricted, and its user is told why', async () => {
    const strict = await stage.tenant('strict');
    await createClaim(stage.cluster, strict.namespace, 'source');
    await strict.kubectl('label', 'namespace', strict.namespace, 'pod-security.kubernetes.io/enforce=restricted');
    await order(stage, strict, { name: 'tree', from: strict, spec: archive });
    const { status } = await strict.reaches('tree', 'Pending', 'PodForbidden');
    expect(status?.conditions?.find(({ type }) => type === 'Running')?.message).toContain(
      'violates PodSecurity "restricted',
    );
  });

  test('that is larger than its target fails for good, and leaves nothing', async () => {
    const small = await stage.tenant('small');
    await createClaim(stage.cluster, small.namespace, 'source');
    const script = 'dd if=/dev/urandom of=/data/file bs=1M count=24 2>/dev/null';
    await say(stage.cluster, small.namespace, { name: 'fills', script, claims: { source: '/data' } });
    await order(stage, small, { name: 'full', from: small, storage: '16Mi', spec: archive });
    await small.reaches('full', 'Failed', 'CopyNoSpace');
    expect(await leftIn(small)).toBe('');
    expect((await small.claim('full')).spec?.volumeName).toBeUndefined();
  });
});

test('that no node can make, for none reaches both volumes, says so in the words of the scheduler, and goes on when one can', async () => {
  const split = await stage.tenant('split');
  await createClaim(stage.cluster, split.namespace, 'source', { volumeMode: 'Block', storageClassName: 'far' });
  await split.kubectl('cordon', 'node-2');
  try {
    await order(stage, split, { name: 'unreached', from: split, mode: 'Block' });
    const { status } = await split.reaches('unreached', 'CloneScheduled', 'CopyPodUnschedulable');
    const { message } = status?.conditions?.find(({ type }) => type === 'Running') ?? {};
    expect(message).toContain('0/2 nodes are available');
    expect(message).toContain("didn't match PersistentVolume's node affinity");
  } finally {
    await split.kubectl('uncordon', 'node-2');
  }
  await succeeds(split, 'unreached');
});

describeApart(() => stage);

describe('a copy that is under way', () => {
  const slow = { source: sourceOf('Block'), mode: 'Block', storage: '8Mi', notes: slowly } as const;

  test('goes on elsewhere when its node is drained', async () => {
    await order(stage, tenant, { name: 'drained', from: golden, ...slow });
    const { spec = {} } = await stage.cluster.api.get<Awaited<ReturnType<typeof copyingIn>>>(
      golden.path('pods', (await slowlyCopyingIn(stage, golden, tenant, 'drained')).metadata.name),
    );
    const node = spec.nodeName ?? '';
    await golden.kubectl('drain', node, '--force', '--ignore-daemonsets', '--delete-emptydir-data');
    try {
      const { status, metadata } = await succeeds(tenant, 'drained');
      expect(status).toMatchObject({ restartCount: 1, progress: '100.0%' });
      expect(JSON.parse(metadata.annotations?.[annotations.copy] ?? '')).toMatchObject({
        failures: 0,
        reason: 'CopyEvicted',
      });
      expect((await readImage(stage, tenant.namespace, 'drained', 'Block')).sum).toBe(sums.get('Block'));
    } finally {
      await golden.kubectl('uncordon', node);
    }
  });

  test('of a tree goes on in the same volume when its node is drained, and is the same in the end', async () => {
    const metadata = "cd /data; find . -path ./lost+found -prune -o -exec stat -c '%n %F %u:%g %a %h %Y' {} + | sort";
    const list = `${metadata}; find . -type f | sort | xargs sha256sum`;
    await createClaim(stage.cluster, golden.namespace, 'forest');
    const plant = `
      cd /data; mkdir old; for n in 1 2 3 4 5 6 7 8; do dd if=/dev/urandom of=old/$n bs=1k count=700 2>/dev/null; done
      ln old/1 old/9; ln -s 1 old/link; chown 1000:2000 old/2; chmod 4750 old/3; touch -d '2001-02-03 04:05:06' old/4 old
      ${list}`;
    const before = await say(stage.cluster, golden.namespace, {
      name: 'plants',
      script: plant,
      claims: { forest: '/data' },
    });
    await order(stage, tenant, { name: 'forest', from: golden, source: 'forest', spec: archive, notes: slowly });
    const pod = await slowlyCopyingIn(stage, golden, tenant, 'forest');
    const temporary = pod.spec?.volumes?.find(({ name }) => name === 'destination')?.persistentVolumeClaim?.claimName;
    const { spec: begun } = await golden.claim(temporary ?? '');
    const node = pod.spec?.nodeName ?? '';
    await golden.kubectl('drain', node, '--force', '--ignore-daemonsets', '--delete-emptydir-data');
    try {
      const done = await succeeds(tenant, 'forest');
      const record: unknown = JSON.parse(done.metadata.annotations?.[annotations.copy] ?? '');
      expect(record).toMatchObject({ attempts: 1, failures: 0, reason: 'CopyEvicted', kept: 0 });
    } finally {
      await golden.kubectl('uncordon', node);
    }
    expect((await tenant.claim('forest')).spec?.volumeName).toBe(begun?.volumeName);
    expect(begun?.volumeName).toBeTypeOf('string');
    const after = await say(stage.cluster, tenant.namespace, {
      name: 'looks',
      script: list,
      claims: { forest: '/data' },
    });
    expect(after).toBe(before);
  });

  test('begins anew when its pod is deleted', async () => {
    await order(stage, tenant, { name: 'deleted', from: golden, ...slow });
    const pod = await slowlyCopyingIn(stage, golden, tenant, 'deleted');
    await golden.kubectl('delete', 'pod', pod.metadata.name, '--wait=false');
    const { status } = await succeeds(tenant, 'deleted');
    expect(status?.restartCount).toBe(1);
    expect((await readImage(stage, tenant.namespace, 'deleted', 'Block')).sum).toBe(sums.get('Block'));
  });

  test('begins anew when its program is killed, which counts as a failure', async () => {
    await order(stage, tenant, { name: 'killed', from: golden, ...slow });
    killProgramIn(await slowlyCopyingIn(stage, golden, tenant, 'killed'));
    const { status, metadata } = await succeeds(tenant, 'killed');
    expect(status?.restartCount).toBe(1);
    expect(JSON.parse(metadata.annotations?.[annotations.copy] ?? '')).toMatchObject({ failures: 1 });
  });

  test('is given up for a pod that writes to the source, and begins anew when that has ended', async () => {
    await order(stage, tenant, { name: 'disturbed', from: golden, ...slow });
    await slowlyCopyingIn(stage, golden, tenant, 'disturbed');
    await writerOf(stage, golden, sourceOf('Block'));
    await tenant.reaches('disturbed', 'CloneScheduled', 'CloneSourceInUse');
    await until('the copy pod to be gone', async () => (await leftIn(golden)) === '');
    await golden.kubectl('delete', 'pod', 'writer');
    await succeeds(tenant, 'disturbed');
    expect((await readImage(stage, tenant.namespace, 'disturbed', 'Block')).sum).toBe(sums.get('Block'));
  });

  test('goes with its DataVolume, and leaves nothing', async () => {
    await order(stage, tenant, { name: 'gone', from: golden, ...slow });
    await copyingIn(stage, golden, tenant, 'gone');
    await tenant.kubectl('delete', 'datavolume', 'gone');
    await until('everything to be gone', async () => (await leftIn(golden)) === '');
  });
});

describe('copies', () => {
  failingCopies(() => stage);
});
