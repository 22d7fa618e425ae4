import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { data, programs } from '../../../image/programs.ts';
import manifest from '../../../package.json' with { type: 'json' };
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { installController, type RunningController, startController } from '../../support/controller.ts';
import { run } from '../../support/csi/command.ts';
import { type ContainerSpec, container, pidOf } from '../../support/image/container.ts';
import { checkout } from '../../support/image/context.ts';
import { type BuiltImage, buildImage } from '../../support/image/index.ts';
import { podOf } from '../../support/image/pod.ts';
import { ensurePackages } from '../../support/packages.ts';
import { installWebhook, type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { clone, created, setScene } from '../webhook/scene.ts';

/** The image, built from the Dockerfile as it stands, and run by runc under what a restricted pod is allowed. */

/** As OpenShift gives them: one of the namespace's own range, of which no image can know. */
const anyUser = { uid: 1_000_660_000, gid: 0 };

let cluster: Cluster;
let image: BuiltImage;
let rootfs: string;

beforeAll(async () => {
  [image, cluster] = await Promise.all([buildImage(), startCluster({ tier: 'api', name: 'image' })]);
  rootfs = join(image.unpacked, 'rootfs');
});

afterAll(async () => {
  await cluster?.stop();
});

let count = 0;

/** Runs a command line of the image's Node in a container of its own. @returns what it printed. @throws CommandError when it failed. */
async function inside(args: readonly string[], more: Partial<ContainerSpec> = {}): Promise<string> {
  count += 1;
  const line = container(image, { name: `once-${count}`, folder: cluster.address.folder, args, ...more });
  return await run(line.command, ...line.args);
}

describe('the image', () => {
  it.each(Object.keys(programs))('has %s, which tells its settings when asked', async (program) => {
    expect(await inside([`/app/${program}.mjs`, '--help'])).toContain(`Clonegate ${program}`);
  });

  it('names a user by number, starts Node without a shell, and tells what to do when nothing is said', async () => {
    const config = JSON.parse(readFileSync(join(image.unpacked, 'config.json'), 'utf8'));
    expect(config.process.user).toMatchObject({ uid: 65_532, gid: 65_532 });
    expect(config.process.args).toEqual(['/nodejs/bin/node', '/app/webhook.mjs', '--help']);
    expect(config.process.env).toContain('NODE_ENV=production');
  });

  it('says what it is', () => {
    const labels = Object.entries(image.facts.labels).map(([name, value]) => [
      name.replace(/^org\.opencontainers\.image\./, ''),
      value,
    ]);
    expect(Object.fromEntries(labels)).toMatchObject({
      title: 'Clonegate',
      version: manifest.version,
      licenses: manifest.license,
      revision: 'unknown',
      created: '1970-01-01T00:00:00Z',
    });
  });

  it('has what it says it is made of, with licences, and nothing that runs with more rights', async () => {
    const folders = ['bin', 'usr/bin', 'usr/sbin', 'nodejs/bin', 'app'].map((folder) => join(rootfs, folder));
    const found = await run(
      'find',
      ...folders,
      '-perm',
      '/6000',
      '-o',
      '-name',
      'sh',
      '-o',
      '-name',
      'npm',
      '-o',
      '-name',
      'dpkg',
    );
    expect(found).toBe('');
    expect(readFileSync(join(rootfs, 'app/THIRD-PARTY.txt'), 'utf8')).toContain('\nfastify 5.');
    for (const file of data)
      expect(readFileSync(join(rootfs, 'app', basename(file)))).toEqual(readFileSync(join(checkout, file)));
    const documented = readdirSync(join(rootfs, 'usr/share/doc'));
    expect(documented).toEqual(expect.arrayContaining(['qemu-utils', 'rsync', 'zlib1g']));
  });
});

/** Tries to write a file into each of the folders that it is given, and prints what came of it. */
const scribble = `
  const { writeFileSync, readFileSync } = require('node:fs');
  const tried = process.argv.slice(1).map((folder) => {
    try { writeFileSync(folder + '/scribble', ''); return 'written'; } catch (error) { return error.code; }
  });
  const status = readFileSync('/proc/self/status', 'utf8');
  const said = (name) => status.match(new RegExp('^' + name + ':\\\\s+(.*)$', 'm'))[1];
  console.log(JSON.stringify({ tried, uid: process.getuid(), rights: said('CapEff') + said('CapBnd'), noNewPrivs: said('NoNewPrivs') }));`;

describe('a container of it', () => {
  const folders = ['/', '/app', '/app/chunks', '/usr/lib', '/etc', '/tmp', '/home', '/run'];

  it('can write nowhere', async () => {
    const said = JSON.parse(await inside(['-e', scribble, ...folders]));
    expect(said).toMatchObject({ uid: 65_532, noNewPrivs: '1', rights: '0'.repeat(32) });
    expect(said.tried).toEqual([...folders.slice(1).map(() => 'EROFS'), 'EACCES']);
  });

  it('can change nothing of its own even where the root can be written to', async () => {
    const own = folders.slice(0, 5);
    const said = JSON.parse(await inside(['-e', scribble, ...own], { user: anyUser, writableRoot: true }));
    expect(said.uid).toBe(anyUser.uid);
    expect(said.tried).toEqual(own.map(() => 'EACCES'));
  });
});

/** Runs a program of the image, as ours do: no shell between. */
const spawning = `
  const { spawnSync } = require('node:child_process');
  const [program, ...args] = process.argv.slice(1);
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  process.stdout.write(stdout); process.stderr.write(stderr); process.exit(status);`;

/** Those that the Dockerfile takes along. */
const tools =
  readFileSync(join(checkout, 'Dockerfile'), 'utf8').match(/(?<=^RUN sh \/tools\.sh \/tools .*)\/\S+/gm) ?? [];

describe('the tools in it', () => {
  let volumes: string;
  const tool = async (...args: readonly string[]): Promise<string> =>
    await inside(['-e', spawning, ...args], {
      mounts: [{ source: volumes, destination: '/run/volumes', writable: true }],
    });

  beforeAll(async () => {
    await ensurePackages('looking at extended attributes', { attr: 'setfattr' });
    volumes = join(cluster.address.folder, 'volumes');
    mkdirSync(volumes);
    await run('chown', '65532:65532', volumes);
  });

  it('are there with all they need', async () => {
    expect(tools).toEqual(expect.arrayContaining(['/usr/bin/qemu-img', '/usr/bin/qemu-nbd']));
    for (const program of tools) expect(await tool(program, '--version')).toMatch(/ \d+\.\d+/);
  });

  it('copy a disk image, and leave holes where there is nothing', async () => {
    const disk = Buffer.alloc(8 << 20);
    disk.write('the end', disk.length - 7);
    writeFileSync(join(volumes, 'disk.img'), disk);
    await tool('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', '/run/volumes/disk.img', '/run/volumes/copy.img');
    expect(readFileSync(join(volumes, 'copy.img')).equals(disk)).toBe(true);
    expect(Number(await run('stat', '--format=%b', join(volumes, 'copy.img')))).toBeLessThan(64);
  });

  it('copy a tree with its hard links and extended attributes', async () => {
    const tree = join(volumes, 'tree');
    mkdirSync(tree);
    writeFileSync(join(tree, 'one'), 'text', { mode: 0o640 });
    await run('ln', join(tree, 'one'), join(tree, 'two'));
    await run('setfattr', '-n', 'user.kind', '-v', 'golden', join(tree, 'one'));
    await run('chown', '-R', '65532:65532', tree);
    await tool(
      'rsync',
      '-aHAXS',
      '--numeric-ids',
      '--compress-choice=lz4',
      '/run/volumes/tree/',
      '/run/volumes/other/',
    );
    const seen = async (folder: string): Promise<string> =>
      await run('stat', '--format=%a %u %h %s %Y', join(volumes, folder, 'one'), join(volumes, folder, 'two'));
    expect(await seen('other')).toBe(await seen('tree'));
    expect(await run('getfattr', '--only-values', '-n', 'user.kind', join(volumes, 'other/two'))).toBe('golden');
  });
});

describe('webhook and controller out of the image', () => {
  let webhook: RunningWebhook;
  let controller: RunningController;

  beforeAll(async () => {
    await installWebhook(cluster);
    await installController(cluster);
    [webhook, controller] = await Promise.all([
      startWebhook(cluster, { selfSigned: true, managedKeys: true, runner: podOf(cluster, image, '/app/webhook.mjs') }),
      startController(cluster, {
        managedKeys: true,
        runner: podOf(cluster, image, '/app/controller.mjs', { user: anyUser }),
      }),
    ]);
    await setScene(cluster);
  });

  it('do what they do from the sources: a clone is authorized, and begun', async () => {
    const wanted = clone({ namespace: 'tenant-a', name: 'from-image' });
    const { metadata } = await created(cluster, 'tenant-a', wanted);
    expect(metadata.annotations?.[annotations.cloneType]).toBe('csi-clone');
    const path = '/apis/cdi.kubevirt.io/v1beta1/namespaces/tenant-a/datavolumes/from-image';
    await until('the controller to begin', async () => {
      const { status } = await cluster.api.get<DataVolume>(path);
      return status?.phase === 'CloneInProgress' || status?.phase === 'CSICloneInProgress';
    });
  });

  it('listen at every address that there is, also where the kernel knows no IPv6', async () => {
    const script = "require('node:net').createServer().on('error', ({ code }) => console.log(code)).listen(0, '::')";
    expect(await inside(['-e', script], { withoutIpv6: true })).toBe('EAFNOSUPPORT');
    const { process } = await startWebhook(cluster, {
      name: 'webhook-ipv4',
      replicaOf: webhook,
      unready: true,
      selfSigned: true,
      managedKeys: true,
      // The ports that tests choose are free on loopback, and no further.
      args: ['--host=::', '--port=0', '--ops-host=::', '--ops-port=0'],
      runner: podOf(cluster, image, '/app/webhook.mjs', { withoutIpv6: true }),
    });
    await until('it to serve', () => readFileSync(process.logFile, 'utf8').includes('Admission calls are served'));
    await process.kill('SIGTERM');
    expect(process.exitCode).toBe(0);
  });

  it.each([
    ['webhook', 65_532],
    ['controller', anyUser.uid],
  ] as const)('run as the user they were given, without any right of root: %s', async (program, uid) => {
    const { name } = (program === 'webhook' ? webhook : controller).process;
    const pid = await pidOf({ folder: cluster.address.folder, name });
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(status).toMatch(new RegExp(`^Uid:\\t${uid}\\t${uid}\\t${uid}\\t${uid}$`, 'm'));
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
  });

  it.each(['webhook', 'controller'] as const)('end in order when they are told to: %s', async (program) => {
    const { process } = program === 'webhook' ? webhook : controller;
    await process.kill('SIGTERM');
    expect(process.exitCode).toBe(0);
    const log = readFileSync(process.logFile, 'utf8');
    expect(log).toContain('"msg":"Signal received, stopping"');
    expect(/"code":(\d+),"msg":"Stopped"/.exec(log)?.[1]).toBe('0');
  });
});
