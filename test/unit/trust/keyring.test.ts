import { describe, expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../../../shared/process/log.ts';
import { openSigningKeys, openVerifyingKeys, type SigningKeys } from '../../../shared/trust/keyring.ts';
import { generateStampKeys, KeyError, KeysUnknownError, type StampKeyFiles } from '../../../shared/trust/keys.ts';
import { signStamp, verifyStamp } from '../../../shared/trust/stamp.ts';
import { FakeClock } from '../../support/clock.ts';
import { claims } from './fixtures.ts';

const [old, next] = [await generateStampKeys(), await generateStampKeys()];

/** Both public keys in one set. */
function published(...keys: readonly StampKeyFiles[]): string {
  const sets = keys.map(({ stampPublicKeys }) => JSON.parse(stampPublicKeys) as { keys: object[] });
  return JSON.stringify({ keys: sets.flatMap((set) => set.keys) });
}

function privately(...keys: readonly StampKeyFiles[]): string {
  return JSON.stringify({ keys: keys.map(({ identityKey }) => JSON.parse(identityKey) as object) });
}

const kidOf = ({ stampKey }: StampKeyFiles): string => (JSON.parse(stampKey) as { kid: string }).kid;
const sealOf = ({ identityKey }: StampKeyFiles): string => (JSON.parse(identityKey) as { kid: string }).kid;

/** Files in memory, what is logged of them, and time. */
function folder(keys: StampKeyFiles = old) {
  const files = new Map(Object.entries(keys));
  const lines: Record<string, unknown>[] = [];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) };
  const clock = new FakeClock();
  const options = {
    clock,
    log: createLogger({ level: 'info', name: 'test', destination }),
    read: async (path: string) => {
      const text = files.get(path);
      if (text === undefined) throw new Error(`${path}: no such file`);
      return text;
    },
    stampKeyFile: 'stampKey',
    stampPublicKeysFile: 'stampPublicKeys',
    identityPublicKeyFile: 'identityPublicKey',
    identityKeyFile: 'identityKey',
    overlap: 120_000,
  };
  return { files, lines, clock, options, said: () => lines.map(({ msg }) => msg) };
}

function run({ lookout }: Pick<SigningKeys, 'lookout'>): void {
  const ending = new AbortController();
  void lookout.start(ending.signal, () => undefined);
  onTestFinished(async () => {
    ending.abort(new Error('the test is over'));
    await lookout.stop?.();
  });
}

async function opened(options: Parameters<typeof openSigningKeys>[0]): Promise<SigningKeys> {
  const keys = await openSigningKeys(options);
  run(keys);
  return keys;
}

describe('the keys of the webhook', () => {
  test('are used at once at the start', async () => {
    const { options } = folder();
    const { signer, verifier } = await opened(options);
    expect((await verifyStamp(verifier, await signStamp(signer, claims))).keyId).toBe(kidOf(old));
  });

  test('rotate without a gap when the public key comes first', async () => {
    const { files, clock, options, said } = folder();
    const { signer, verifier } = await opened(options);
    const early = await signStamp(signer, claims);
    files.set('stampPublicKeys', published(old, next));
    await clock.advance(130_000);
    files.set('stampKey', next.stampKey);
    await clock.advance(10_000);
    expect(signer.stamp.id).toBe(kidOf(next));
    expect((await verifyStamp(verifier, early)).keyId).toBe(kidOf(old));
    files.set('stampPublicKeys', published(next));
    await clock.advance(10_000);
    await expect(verifyStamp(verifier, early)).rejects.toMatchObject({ code: 'StampInvalid' });
    expect((await verifyStamp(verifier, await signStamp(signer, claims))).keyId).toBe(kidOf(next));
    expect(said()).toEqual(['New stamp keys are accepted', 'New stamp key signs', 'New stamp keys are accepted']);
  });

  test('wait with signing, but not with accepting, when all files are replaced at once', async () => {
    const { files, clock, options } = folder();
    const { signer, verifier } = await opened(options);
    for (const [file, text] of Object.entries(next)) files.set(file, text);
    files.set('stampPublicKeys', published(old, next));
    await clock.advance(10_000);
    expect([...verifier.stamp.keys()]).toEqual([kidOf(old), kidOf(next)]);
    await clock.advance(110_000);
    expect([signer.stamp.id, signer.identity.id]).toEqual([kidOf(old), sealOf(old)]);
    await clock.advance(10_000);
    expect([signer.stamp.id, signer.identity.id]).toEqual([kidOf(next), sealOf(next)]);
  });

  test('seal identities for a new key only when the controller has had time to get its other half', async () => {
    const { files, clock, options } = folder();
    const { signer } = await opened(options);
    files.set('identityPublicKey', next.identityPublicKey);
    await clock.advance(120_000);
    expect(signer.identity.id).toBe(sealOf(old));
    await clock.advance(10_000);
    expect(signer.identity.id).toBe(sealOf(next));
  });

  test('that are withdrawn sign nothing from then on, overlap or not', async () => {
    const { files, clock, options } = folder();
    const { signer, verifier } = await opened(options);
    files.set('stampKey', next.stampKey);
    files.set('stampPublicKeys', published(next));
    await clock.advance(10_000);
    expect([signer.stamp.id, ...verifier.stamp.keys()]).toEqual([kidOf(next), kidOf(next)]);
  });

  test.each<[string, string, string, RegExp]>([
    [
      'are not replaced by half a pair',
      'stampKey',
      next.stampKey,
      /stampPublicKeys: lacks the public key .* of stampKey/,
    ],
    ['are not replaced by rubbish', 'stampPublicKeys', '{', /stamp public keys: is not a JSON object/],
    ['are not replaced by nothing', 'stampPublicKeys', '{"keys":[]}', /the JWK Set is empty/],
    [
      'are not replaced by another key of the same name',
      'stampKey',
      JSON.stringify({ ...(JSON.parse(next.stampKey) as object), kid: kidOf(old) }),
      /lacks the public key/,
    ],
  ])('%s, which is said once', async (_, file, text, why) => {
    const { files, clock, options, lines } = folder();
    const { signer, verifier } = await opened(options);
    files.set(file, text);
    await clock.advance(300_000);
    expect([signer.stamp.id, ...verifier.stamp.keys()]).toEqual([kidOf(old), kidOf(old)]);
    expect(lines).toMatchObject([{ level: 'error', msg: 'Stamp key files not usable, the keys in use stay' }]);
    expect(JSON.stringify(lines)).toMatch(why);
    expect(JSON.stringify(lines)).not.toContain((JSON.parse(next.stampKey) as { d: string }).d);
    files.set(file, Object.entries(old).find(([name]) => name === file)?.[1] ?? '');
    await clock.advance(10_000);
    expect(signer.stamp.id).toBe(kidOf(old));
  });

  test('cannot be opened without a pair', async () => {
    const { files, options } = folder();
    files.set('stampPublicKeys', published(next));
    await expect(openSigningKeys(options)).rejects.toThrow(KeyError);
  });
});

describe('the keys of the controller', () => {
  test('open what was sealed for the old and for the new one while both are there', async () => {
    const { files, clock, options } = folder();
    const signing = await openSigningKeys(folder(next).options);
    const late = await signStamp(signing.signer, claims);
    const keys = await openVerifyingKeys(options);
    run(keys);
    await expect(verifyStamp(keys.verifier, late)).rejects.toMatchObject({ code: 'StampInvalid' });
    files.set('stampPublicKeys', published(old, next));
    files.set('identityKey', privately(old, next));
    await clock.advance(10_000);
    expect((await verifyStamp(keys.verifier, late)).identity).toEqual(claims.identity);
    const early = await signStamp((await openSigningKeys(options)).signer, claims);
    expect((await verifyStamp(keys.verifier, early)).identity).toEqual(claims.identity);
  });

  test('are looked at again before a stamp is refused because its key is not known', async () => {
    const { files, options, said } = folder();
    const { signer } = await openSigningKeys(folder(next).options);
    // Nobody looks by the pace: the program stood still.
    const { verifier } = await openVerifyingKeys(options);
    files.set('stampPublicKeys', published(old, next));
    files.set('identityKey', privately(old, next));

    expect(await verifyStamp(verifier, await signStamp(signer, claims))).toMatchObject({ keyId: kidOf(next) });
    expect(said()).toEqual(['New stamp keys are accepted']);
  });

  test('refuse nothing while they cannot be looked at', async () => {
    const { files, clock, options } = folder();
    const { signer } = await openSigningKeys(folder(next).options);
    const { verifier } = await openVerifyingKeys(options);
    const stamp = await signStamp(signer, claims);
    files.delete('stampPublicKeys');
    await expect(verifyStamp(verifier, stamp)).rejects.toThrow(KeysUnknownError);
    files.set('stampPublicKeys', published(old));
    await clock.advance(1000);
    await expect(verifyStamp(verifier, stamp)).rejects.toMatchObject({ code: 'StampInvalid' });
  });

  test('are not read for a stamp of a known key, be it forged, or of none', async () => {
    const { files, options } = folder();
    const { verifier } = await openVerifyingKeys(options);
    const [head, , signature] = (await signStamp((await openSigningKeys(options)).signer, claims)).split('.');
    const nameless = Buffer.from(JSON.stringify({ alg: 'EdDSA' })).toString('base64url');
    files.clear();
    for (const forged of [`${head}.e30.${signature}`, `${nameless}.e30.${signature}`])
      await expect(verifyStamp(verifier, forged)).rejects.toMatchObject({ code: 'StampInvalid' });
  });

  test('stay when the files cannot be read', async () => {
    const { files, clock, options, said } = folder();
    const keys = await openVerifyingKeys(options);
    run(keys);
    files.delete('identityKey');
    await clock.advance(30_000);
    expect(keys.verifier.identity.size).toBe(1);
    expect(said()).toEqual(['Stamp key files not usable, the keys in use stay']);
  });
});
