import { installed, labels } from '../api/names.ts';
import type { ConfigMap, KubeObject, Secret, Stored } from '../api/objects.ts';
import type { Client } from '../kube/client.ts';
import { isAlreadyExists, isConflict } from '../kube/errors.ts';
import type { Recorder } from '../kube/events.ts';
import { getIfExists } from '../kube/get.ts';
import { configMaps, secrets } from '../kube/resource.ts';
import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/log.ts';
import type { Metrics } from '../process/metrics.ts';
import type { SigningTexts, VerifyingTexts } from './keyring.ts';
import { generateStampKeys, KeyError } from './keys.ts';
import {
  type Jwk,
  type KeyLifetimes,
  keysIn,
  nextKeyStep,
  parseRing,
  publicHalf,
  publicKeysOf,
  type StampRing,
} from './rotation.ts';

/**
 * Stamp keys that the programs look after themselves. Each program keeps its private key in a Secret that only it may read, and publishes
 * the public half in a ConfigMap for the other one. Replicas need no leader: every write names the version it builds on.
 */

export interface KeeperOptions {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch'>;
  readonly namespace: string;
  readonly log: Pick<Logger, 'info'>;
}

export interface StampKeeperOptions extends KeeperOptions {
  readonly clock: Pick<Clock, 'now' | 'elapsed'>;
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly metrics: Pick<Metrics, 'certificateRotations'>;
  readonly lifetimes: KeyLifetimes;
}

const { stampKeys, stampPublicKeys, identityKey, identityPublicKey } = installed;
const mostWrites = 8;

/** Milliseconds between two tries, and their number: what one program waits for the other at most when both are started at once. */
const patience = { pause: 1000, tries: 20 };

/**
 * Opens keys that may not be there yet, because the other program makes its half when it runs, too. @throws what was in the way when
 * patience is over; the program is then started again by whoever runs it.
 */
export async function untilOpen<T>(
  open: () => Promise<T>,
  { clock, log }: { readonly clock: Pick<Clock, 'sleep'>; readonly log: Pick<Logger, 'warn'> },
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await open();
    } catch (error) {
      if (tries >= patience.tries) throw error;
      log.warn({ err: error }, 'Stamp keys are not there yet');
    }
    await clock.sleep(patience.pause);
  }
}

/** The webhook's. @returns what gives the present keys, after all was done that there was to do. */
export function createStampKeeper(options: StampKeeperOptions): () => Promise<SigningTexts> {
  const keeper = new StampKeeper(options);
  return async () => {
    const ring = await keeper.look();
    const identity = (await readMap(options, identityPublicKey))?.data?.['keys.json'];
    if (identity === undefined)
      throw new KeyError(`ConfigMap ${identityPublicKey} is missing: the controller makes it when it runs`);
    return { stampKey: JSON.stringify(ring.current), stampPublicKeys: publicKeysOf(ring), identityPublicKey: identity };
  };
}

/** The controller's. Its key is made once; where its Secret holds several, the public half of the first is published. */
export function createIdentityKeeper(options: KeeperOptions): () => Promise<VerifyingTexts> {
  return async () => {
    const kept = await identityOf(options);
    const [first] = keysIn(kept);
    if (first === undefined) throw new KeyError(`Secret ${identityKey}: keys.json holds no key; delete the Secret`);
    const published = await readMap(options, identityPublicKey);
    const wanted = JSON.stringify(publicHalf(first));
    if (published?.data?.['keys.json'] !== wanted)
      await unlessLate(write(options, configMaps, identityPublicKey, published, wanted));
    const stamps = (await readMap(options, stampPublicKeys))?.data?.['keys.json'];
    if (stamps === undefined)
      throw new KeyError(`ConfigMap ${stampPublicKeys} is missing: the webhook makes it when it runs`);
    return { stampPublicKeys: stamps, identityKey: kept };
  };
}

async function identityOf(options: KeeperOptions): Promise<string> {
  for (let tries = 0; tries < mostWrites; tries += 1) {
    const secret = await readSecret(options, identityKey);
    const text = textOf(secret);
    if (text !== '') return text;
    await unlessLate(write(options, secrets, identityKey, secret, (await generateStampKeys()).identityKey));
  }
  throw new KeyError(`others change the Secret ${identityKey} all the time`);
}

class StampKeeper {
  readonly #options: StampKeeperOptions;
  #remembered: StampRing | undefined;
  /** What was seen published the last time, and since when, by `clock.elapsed()`. */
  #seen: { readonly keys: string; readonly since: number } | undefined;

  constructor(options: StampKeeperOptions) {
    this.#options = options;
  }

  async look(): Promise<StampRing> {
    for (let writes = 0; writes < mostWrites; writes += 1) {
      const found = await this.#once();
      if (found !== undefined) return found;
    }
    throw new KeyError(`others change the Secret ${stampKeys} all the time`);
  }

  /** @returns undefined after a write, or after another replica's. */
  async #once(): Promise<StampRing | undefined> {
    const { clock, lifetimes } = this.#options;
    // In this order, so that nobody publishes with the version of what another one has published since: see certs/authority.ts.
    const map = await readMap(this.#options, stampPublicKeys);
    const secret = await readSecret(this.#options, stampKeys);
    const kept = parseRing(textOf(secret));
    const published = map?.data?.['keys.json'];
    const settled = this.#settle(published, kept);
    const step = nextKeyStep({ kept, remembered: this.#remembered, published, settled, now: clock.now() }, lifetimes);
    this.#remembered = kept ?? this.#remembered;
    const save = async (ring: StampRing): Promise<void> =>
      await write(this.#options, secrets, stampKeys, secret, JSON.stringify(ring));
    switch (step.do) {
      case 'rest':
        return kept;
      case 'publish':
        await unlessLate(write(this.#options, configMaps, stampPublicKeys, map, step.keys));
        break;
      case 'create':
        await unlessLate(save({ current: await newKey(), previous: step.previous, since: clock.now() }));
        break;
      case 'begin':
        await unlessLate(save({ ...step.from, next: await newKey() }));
        break;
      case 'change':
        if ((await unlessLate(save(step.to))) && step.promotes) this.#tell();
        break;
    }
    return undefined;
  }

  #settle(published: string | undefined, kept: StampRing | undefined): number {
    const elapsed = this.#options.clock.elapsed();
    if (kept === undefined || published !== publicKeysOf(kept)) this.#seen = undefined;
    else if (this.#seen?.keys !== published) this.#seen = { keys: published, since: elapsed };
    return this.#seen === undefined ? 0 : elapsed - this.#seen.since;
  }

  #tell(): void {
    const { recorder, metrics, namespace } = this.#options;
    metrics.certificateRotations.inc({ role: 'stamp-key', result: 'success' });
    recorder.emit({
      namespace,
      regarding: { apiVersion: 'v1', kind: 'Secret', namespace, name: stampKeys },
      reason: 'StampKeyRotated',
      action: 'Rotate',
      type: 'Normal',
      note: 'A new key signs authorization stamps. Stamps of the previous one are accepted for as long as --stamp-key-retention says.',
    });
  }
}

async function newKey(): Promise<Jwk> {
  const [key] = keysIn((await generateStampKeys()).stampKey);
  if (key === undefined) throw new KeyError('no key was made');
  return key;
}

function textOf(secret: Secret | undefined): string {
  return Buffer.from(secret?.data?.['keys.json'] ?? '', 'base64').toString();
}

async function readSecret({ client, namespace }: KeeperOptions, name: string): Promise<Stored<Secret> | undefined> {
  return await getIfExists(client, secrets, { namespace, name });
}

async function readMap({ client, namespace }: KeeperOptions, name: string): Promise<Stored<ConfigMap> | undefined> {
  return await getIfExists(client, configMaps, { namespace, name });
}

/** Into `keys.json` of the object as it was read. @throws ApiError `Conflict` or `AlreadyExists` when another was faster. */
async function write(
  { client, namespace, log }: KeeperOptions,
  kind: typeof secrets | typeof configMaps,
  name: string,
  before: Stored<KubeObject> | undefined,
  text: string,
): Promise<void> {
  const data = { 'keys.json': kind === secrets ? Buffer.from(text).toString('base64') : text };
  if (before === undefined) {
    const object: KubeObject & { data: object } = {
      metadata: { namespace, name, labels: { [labels.managedBy]: 'clonegate' } },
      data,
    };
    await client.create<KubeObject>(kind, object);
  } else {
    const { uid, resourceVersion } = before.metadata;
    await client.mergePatch<KubeObject>(
      kind,
      { namespace, name },
      { data },
      { preconditions: { uid, resourceVersion } },
    );
  }
  log.info({ kind: kind.kind, object: { namespace, name } }, 'Stamp keys were written');
}

/** @returns false when another was faster. */
async function unlessLate(writing: Promise<void>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch (error) {
    if (isConflict(error) || isAlreadyExists(error)) return false;
    throw error;
  }
}
