import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../process/clock.ts';
import type { Logger } from '../process/log.ts';
import { createLookout } from '../process/lookout.ts';
import type { Component } from '../process/run.ts';
import { KeyError, loadSigner, loadVerifier, type Signer, type StampKeyFiles, type Verifier } from './keys.ts';
import { createLooks } from './looks.ts';

/**
 * Stamp keys from files that are replaced while the programs run. Rotation: publish the new public key beside the old one, let the new
 * private key sign, and withdraw the old public key when all that was stamped with it is done. The files may be replaced all at once,
 * too: a new key signs only after its public part has been published for a while, so that whoever verifies knows it by then.
 */

/** Milliseconds between two looks at the files; the same as for certificates, and little beside what the kubelet takes to bring them. */
const pace = 10_000;

interface Surroundings {
  readonly clock: Pick<Clock, 'now' | 'elapsed' | 'sleep'>;
  readonly log: Pick<Logger, 'info' | 'error'>;
  /** Reads a file as UTF-8; node's unless a test says otherwise. */
  readonly read?: (path: string) => Promise<string>;
}

export interface SigningFiles {
  readonly stampKeyFile: string;
  readonly stampPublicKeysFile: string;
  readonly identityPublicKeyFile: string;
}

/** What the files hold. */
export type SigningTexts = Pick<StampKeyFiles, 'stampKey' | 'stampPublicKeys' | 'identityPublicKey'>;
export type VerifyingTexts = Pick<StampKeyFiles, 'stampPublicKeys' | 'identityKey'>;

export interface SigningOptions extends Surroundings, SigningFiles {
  /** Where the keys come from when not from the files. */
  readonly texts?: (() => Promise<SigningTexts>) | undefined;
  /** Milliseconds that a new key must have been there before it is used. */
  readonly overlap: number;
}

/** Views of the keys in use: what they hold changes under whoever uses them. */
export interface SigningKeys {
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly lookout: Component;
}

/**
 * The webhook's. What is there at the start is used at once. @throws KeyError naming the file and its fault; afterwards faults are logged and what is used stays.
 */
export async function openSigningKeys(options: SigningOptions): Promise<SigningKeys> {
  const ring = new SigningRing(options, await readSigning(options));
  const look = async (): Promise<void> => ring.take(await readSigning(options));
  return { signer: ring.signer, verifier: ring.verifier, lookout: lookoutOf(options, look) };
}

export interface VerifyingFiles {
  readonly stampPublicKeysFile: string;
  readonly identityKeyFile: string;
}

export interface VerifyingOptions extends Surroundings, VerifyingFiles {
  /** Where the keys come from when not from the files. */
  readonly texts?: (() => Promise<VerifyingTexts>) | undefined;
}

export interface VerifyingKeys {
  readonly verifier: Verifier;
  readonly lookout: Component;
}

/**
 * The controller's. Its verifier renews itself: a program that stood still for longer than the overlap would else take good stamps for
 * forged. @throws KeyError as {@link openSigningKeys}.
 */
export async function openVerifyingKeys(options: VerifyingOptions): Promise<VerifyingKeys> {
  let current = await readVerifying(options);
  const { look, renew } = createLooks({
    read: async () => await readVerifying(options),
    take: (next) => {
      if (!sameVerifier(next, current)) options.log.info(publicly(next), 'New stamp keys are accepted');
      current = next;
    },
    clock: options.clock,
  });
  const verifier: Verifier = {
    get stamp() {
      return current.stamp;
    },
    get identity() {
      return current.identity;
    },
    renew,
  };
  return { verifier, lookout: lookoutOf(options, look) };
}

interface Signing {
  readonly signer: Signer;
  readonly verifier: Verifier;
}

/** Which keys are in use, and since when each is known. */
class SigningRing {
  readonly signer: Signer;
  readonly verifier: Verifier;
  readonly #options: SigningOptions;
  #current: Signing;
  /** By key id, when it was first seen by `clock.elapsed()`. */
  #since: ReadonlyMap<string, number>;

  constructor(options: SigningOptions, first: Signing) {
    this.#options = options;
    this.#current = first;
    this.#since = new Map(idsOf(first).map((id) => [id, Number.NEGATIVE_INFINITY]));
    const current = (): Signing => this.#current;
    this.signer = {
      get stamp() {
        return current().signer.stamp;
      },
      get identity() {
        return current().signer.identity;
      },
    };
    this.verifier = {
      get stamp() {
        return current().verifier.stamp;
      },
      get identity() {
        return current().verifier.identity;
      },
    };
  }

  /** Verifies with the new keys from now on, and signs with them when the time has come. */
  take(next: Signing): void {
    const { clock, overlap, log } = this.#options;
    const now = clock.elapsed();
    this.#since = new Map(idsOf(next).map((id) => [id, this.#since.get(id) ?? now]));
    const { signer, verifier } = this.#current;
    if (!sameVerifier(next.verifier, verifier)) log.info(publicly(next.verifier), 'New stamp keys are accepted');
    const settled = [next.signer.stamp.id, next.signer.identity.id].every(
      (id) => now - (this.#since.get(id) ?? now) >= overlap,
    );
    // A key that was withdrawn signs nothing any more: nobody would accept it, and it may have been stolen.
    const withdrawn = !next.verifier.stamp.has(signer.stamp.id);
    const ready = settled || withdrawn;
    this.#current = ready ? next : { signer, verifier: next.verifier };
    if (!ready || sameSigner(next.signer, signer)) return;
    log.info({ stampKey: next.signer.stamp.id, identityKey: next.signer.identity.id }, 'New stamp key signs');
  }
}

/** Of the keys whose time is kept: those that are published, and the one that identities are sealed for. */
function idsOf({ signer, verifier }: Signing): readonly string[] {
  return [...verifier.stamp.keys(), signer.identity.id];
}

async function signingTexts({ read = readText, ...files }: SigningOptions): Promise<SigningTexts> {
  const [stampKey, stampPublicKeys, identityPublicKey] = await Promise.all([
    read(files.stampKeyFile),
    read(files.stampPublicKeysFile),
    read(files.identityPublicKeyFile),
  ]);
  return { stampKey, stampPublicKeys, identityPublicKey };
}

async function readSigning(options: SigningOptions): Promise<Signing> {
  const { stampKeyFile, stampPublicKeysFile } = options;
  const { stampKey, stampPublicKeys, identityPublicKey } = await (
    options.texts ?? (async () => signingTexts(options))
  )();
  const [signer, verifier] = await Promise.all([
    loadSigner({ stampKey, identityPublicKey }),
    loadVerifier({ stampPublicKeys }),
  ]);
  // Else every clone would be stamped here and refused there, and nobody would know why.
  const published = verifier.stamp.get(signer.stamp.id);
  if (published === undefined || !isPairOf(signer.stamp.key, published))
    throw new KeyError(
      `${stampPublicKeysFile}: lacks the public key ${signer.stamp.id} of ${stampKeyFile}; publish it before it signs`,
    );
  return { signer, verifier };
}

async function verifyingTexts({ read = readText, ...files }: VerifyingOptions): Promise<VerifyingTexts> {
  const [stampPublicKeys, identityKey] = await Promise.all([
    read(files.stampPublicKeysFile),
    read(files.identityKeyFile),
  ]);
  return { stampPublicKeys, identityKey };
}

async function readVerifying(options: VerifyingOptions): Promise<Verifier> {
  return await loadVerifier(await (options.texts ?? (async () => verifyingTexts(options)))());
}

async function readText(path: string): Promise<string> {
  return await readFile(path, 'utf8');
}

function lookoutOf({ clock, log }: Surroundings, look: () => Promise<void>): Component {
  const complaint = 'Stamp key files not usable, the keys in use stay';
  return createLookout({ name: 'stamp keys', pace, clock, log, look, complaint });
}

function isPairOf(privateKey: KeyObject, publicKey: KeyObject): boolean {
  return createPublicKey(privateKey).equals(publicKey);
}

function sameSigner(a: Signer, b: Signer): boolean {
  return a.stamp.key.equals(b.stamp.key) && a.identity.key.equals(b.identity.key);
}

function sameVerifier(a: Verifier, b: Verifier): boolean {
  return sameKeys(a.stamp, b.stamp) && sameKeys(a.identity, b.identity);
}

function sameKeys(a: ReadonlyMap<string, KeyObject>, b: ReadonlyMap<string, KeyObject>): boolean {
  return a.size === b.size && [...a].every(([id, key]) => b.get(id)?.equals(key) === true);
}

/** Key ids for the log; never a key. */
function publicly({ stamp }: Verifier): { readonly stampKeys: readonly string[] } {
  return { stampKeys: [...stamp.keys()] };
}
