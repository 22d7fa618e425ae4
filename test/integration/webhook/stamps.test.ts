import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import { dataVolumes } from '../../../shared/kube/resource.ts';
import { generateStampKeys, loadSigner, loadVerifier, type StampKeyFiles } from '../../../shared/trust/keys.ts';
import { signStamp, verifyStamp } from '../../../shared/trust/stamp.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { type Meddler, startMeddler } from '../../support/meddler.ts';
import { type RunningWebhook, startWebhook } from '../../support/webhook.ts';
import { clientOf } from '../kube/client.ts';
import { clone, create, created, must, setScene } from './scene.ts';

/** Stamps on a real API server: what comes between the two webhooks, and keys that are replaced while clones are being made. */

let cluster: Cluster;
let webhook: RunningWebhook;
let meddler: Meddler;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'api', name: 'stamps' });
  webhook = await startWebhook(cluster, { args: ['--stamp-key-overlap=1s'] });
  await setScene(cluster);
  await must(cluster.kubectl(['create', 'namespace', 'tenant-c']));
  const role = '--clusterrole=datavolume-editor';
  await must(cluster.kubectl(['create', 'rolebinding', 'second-home', role, '--user=tenant-a', '-n', 'tenant-c']));
  meddler = await startMeddler(cluster);
});

afterAll(async () => {
  await meddler?.close();
  await cluster?.stop();
});

afterEach(() => {
  meddler.meddle = (volume) => volume;
});

const ours = new Set<string>([annotations.cloneType, annotations.decision, annotations.stamp]);

function annotate(volume: DataVolume, changes: Readonly<Record<string, string>>): DataVolume {
  const { metadata } = volume;
  return { ...volume, metadata: { ...metadata, annotations: { ...metadata.annotations, ...changes } } };
}

/** Our annotations, as another DataVolume got them. */
function stampedLike({ metadata }: DataVolume): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata.annotations ?? {}).filter(([key]) => ours.has(key)));
}

const stampOf = ({ metadata }: DataVolume): string => metadata.annotations?.[annotations.stamp] ?? '';
const sourceNamed = (name: string, namespace = 'golden') => ({ pvc: { namespace, name } });

/** What tenant-a is told of a clone that somebody meddled with. */
async function refusal(volume: DataVolume, meddle: Meddler['meddle']): Promise<string> {
  meddler.meddle = meddle;
  const { code, stderr } = await create(cluster, 'tenant-a', volume);
  expect(code).toBe(1);
  return stderr;
}

describe('a webhook behind ours that alters', () => {
  it('the source before we are called again makes us authorize and decide anew', async () => {
    meddler.meddle = (volume) => ({ ...volume, spec: { ...volume.spec, source: sourceNamed('debian') } });
    const stored = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', name: 'redirected' }));
    expect(stored.spec.source).toEqual(sourceNamed('debian'));
    const { source } = await verifyStamp(await loadVerifier(webhook.keys), stampOf(stored));
    expect(source).toMatchObject({ namespace: 'golden', name: 'debian' });
  });

  it('the source to one that the user may not clone has the clone denied', async () => {
    const stderr = await refusal(clone({ namespace: 'tenant-a', name: 'misled' }), (volume) => ({
      ...volume,
      spec: { ...volume.spec, source: sourceNamed('secret', 'vault') },
    }));
    expect(stderr).toContain('CloneDenied: user "tenant-a" may not clone PersistentVolumeClaim vault/secret');
  });

  it.each<[string, Meddler['meddle'], RegExp]>([
    [
      'the source at the very end',
      (volume, time) =>
        time === 1
          ? annotate(volume, { [annotations.stamp]: 'x' })
          : { ...volume, spec: { ...volume.spec, source: sourceNamed('debian') } },
      /StampMismatch: .*made for the source PersistentVolumeClaim "golden\/fedora", not PersistentVolumeClaim "golden\/debian"/,
    ],
    [
      'the strategy',
      (volume) => annotate(volume, { [annotations.cloneType]: 'copy' }),
      /StampMismatch: .*another decision/,
    ],
    [
      'the decision',
      (volume) => annotate(volume, { [annotations.decision]: '{}' }),
      /StampMismatch: .*another decision/,
    ],
    ['the stamp', (volume) => annotate(volume, { [annotations.stamp]: altered(stampOf(volume)) }), /StampInvalid: /],
    ['the stamp into none', (volume) => annotate(volume, { [annotations.stamp]: '' }), /StampMissing: you may clone/],
  ])('%s has it refused', async (_, meddle, words) => {
    const stderr = await refusal(clone({ namespace: 'tenant-a', generateName: 'altered-' }), meddle);
    expect(stderr).toMatch(words);
    expect(stderr).toMatch(/Try again/);
  });
});

/** With another user in its payload. */
function altered(stamp: string): string {
  const [header = '', payload = '', signature = ''] = stamp.split('.');
  if (payload === '') return 'x';
  const says = { ...(JSON.parse(Buffer.from(payload, 'base64url').toString()) as object), sub: 'admin' };
  return [header, Buffer.from(JSON.stringify(says)).toString('base64url'), signature].join('.');
}

describe('a stamp', () => {
  it('that somebody forged with keys of their own is not valid', async () => {
    const signer = await loadSigner(await forgersKeys());
    const stamp = await signStamp(signer, {
      source: { kind: 'PersistentVolumeClaim', namespace: 'golden', name: 'fedora' },
      target: { namespace: 'tenant-a', name: 'forged' },
      user: 'tenant-a',
      rule: 'datavolumes/source',
      identity: { groups: [], extra: {} },
      requestUid: 'x',
      issuedAt: Math.floor(Date.now() / 1000),
    });
    const volume = clone({ namespace: 'tenant-a', name: 'forged' });
    expect(await refusal(volume, (mutated) => annotate(mutated, { [annotations.stamp]: stamp }))).toMatch(
      /StampInvalid: .*forged, altered or of an unknown key/,
    );
  });

  it.each([
    [
      'of another DataVolume',
      { namespace: 'tenant-a', name: 'first' },
      { namespace: 'tenant-a', name: 'second' },
      'a DataVolume named "first", not "second"',
    ],
    [
      'of another namespace',
      { namespace: 'tenant-a', name: 'same' },
      { namespace: 'tenant-c', name: 'same' },
      'a DataVolume in namespace "tenant-a", not "tenant-c"',
    ],
    [
      'of another generated name',
      { namespace: 'tenant-a', generateName: 'vm-' },
      { namespace: 'tenant-a', generateName: 'db-' },
      'a DataVolume with generateName "vm-"',
    ],
    [
      'of a generated name on one that the user chose',
      { namespace: 'tenant-a', generateName: 'vm-' },
      { namespace: 'tenant-a', name: 'vm-machine' },
      'a DataVolume with generateName "vm-"',
    ],
  ])('%s is worth nothing, however genuine', async (_, from, to, words) => {
    const first = await created(cluster, 'tenant-a', clone(from));
    const stderr = await refusal(clone(to), (volume) => annotate(volume, stampedLike(first)));
    expect(stderr).toMatch(/StampMismatch: the authorization stamp was made for /);
    expect(stderr).toContain(words);
  });

  it('fits a generated name, whatever the API server made of it', async () => {
    const stored = await created(cluster, 'tenant-a', clone({ namespace: 'tenant-a', generateName: 'vm-disk-' }));
    expect(stored.metadata.name).toMatch(/^vm-disk-.{5}$/);
  });
});

async function forgersKeys(): Promise<StampKeyFiles> {
  const keys = await generateStampKeys();
  const kid = (JSON.parse(webhook.keys.stampKey) as { kid: string }).kid;
  // As near to the real one as it gets: under the same name.
  return { ...keys, stampKey: JSON.stringify({ ...(JSON.parse(keys.stampKey) as object), kid }) };
}

/** Writes a key file of the webhook, and waits until the webhook has said so. */
async function replace(file: string, text: string, said: string): Promise<void> {
  const times = (): number => readFileSync(webhook.process.logFile, 'utf8').split(said).length;
  const before = times();
  writeFileSync(join(cluster.address.folder, 'clonegate-webhook', file), text);
  await until(`the webhook to say: ${said}`, () => times() > before);
}

function published(...keys: readonly StampKeyFiles[]): string {
  const sets = keys.map(({ stampPublicKeys }) => JSON.parse(stampPublicKeys) as { keys: object[] });
  return JSON.stringify({ keys: sets.flatMap((set) => set.keys) });
}

describe('a rotation of keys, under load', () => {
  let next: StampKeyFiles;
  let retired: DataVolume;
  const seen = new Set<string>();
  const failures: unknown[] = [];

  beforeAll(async () => {
    // Of the same identity key: that one stays.
    const { stampKey, stampPublicKeys } = await generateStampKeys();
    next = { ...webhook.keys, stampKey, stampPublicKeys };
  });

  /** How many creates each of four has behind it. */
  const done = [0, 0, 0, 0];

  /** Creates, four at a time, until told to stop. */
  async function load(stop: AbortSignal): Promise<void> {
    const client = await clientOf(cluster.kubeconfig('tenant-a'));
    const one = async (index: number): Promise<void> => {
      while (!stop.aborted) {
        try {
          const volume = clone({ namespace: 'tenant-a', generateName: 'load-' });
          const stored = await client.create(dataVolumes, volume, { dryRun: true });
          const [header = ''] = stampOf(stored).split('.');
          seen.add((JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }).kid);
        } catch (error) {
          failures.push(error);
        }
        done[index] = (done[index] ?? 0) + 1;
      }
    };
    await Promise.all(done.map(async (_, index) => one(index)));
    await client.close();
  }

  /** What was under way is through, whatever it was stamped with. */
  async function allCreateAnew(): Promise<void> {
    const before = [...done];
    await until('each to be at another create', () => done.every((count, index) => count > (before[index] ?? 0) + 1));
  }

  it('fails no create, and both keys sign in turn', async () => {
    retired = await created(
      cluster,
      'tenant-a',
      clone({ namespace: 'tenant-a', name: 'early' }, { source: sourceNamed('not-yet') }),
    );
    const stop = new AbortController();
    const loading = load(stop.signal);
    const accepted = 'New stamp keys are accepted';
    await allCreateAnew();
    await replace('stamp-public-keys.json', published(webhook.keys, next), accepted);
    await replace('stamp-key.json', next.stampKey, 'New stamp key signs');
    await allCreateAnew();
    await replace('stamp-public-keys.json', published(next), accepted);
    await allCreateAnew();
    stop.abort();
    await loading;
    expect(failures).toEqual([]);
    const kids = [webhook.keys, next].map(({ stampKey }) => (JSON.parse(stampKey) as { kid: string }).kid);
    expect([...seen].toSorted()).toEqual(kids.toSorted());
  });

  it('leaves what the old key has stamped without worth once that key is withdrawn', async () => {
    const stderr = await refusal(clone({ namespace: 'tenant-a', name: 'late' }), (volume) =>
      annotate(volume, { [annotations.stamp]: stampOf(retired) }),
    );
    expect(stderr).toMatch(/StampInvalid: .*unknown key/);
  });
});
