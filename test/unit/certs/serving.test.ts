import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CertificateError } from '../../../certs/errors.ts';
import { issueAuthority, issueServing } from '../../../certs/issue.ts';
import { loadServing, type ServingMaterial, watchServing } from '../../../certs/serving.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { FakeClock, settle } from '../../support/clock.ts';
import { shakeHands, tlsServer } from './handshake.ts';

const start = Date.now();
const day = 24 * 60 * 60 * 1000;
const certFile = '/tls/tls.crt';
const keyFile = '/tls/tls.key';
const authority = issueAuthority({ commonName: 'authority', days: 30, now: start });

function pair(options: { days?: number; now?: number } = {}) {
  const issued = issueServing(authority, { dnsNames: ['localhost'], ipAddresses: [], days: 7, now: start, ...options });
  return { [certFile]: issued.certificatePem, [keyFile]: issued.privateKeyPem };
}

/** Files in memory: a name with no text cannot be read. */
function folder(files: Record<string, string>) {
  return async (path: string): Promise<string> => {
    const text = files[path];
    if (text === undefined) throw new Error('ENOENT: no such file');
    return text;
  };
}

describe('serving material', () => {
  const load = async (files: Record<string, string>, now = start): Promise<ServingMaterial> =>
    loadServing({ certFile, keyFile, clock: new FakeClock(now), read: folder(files) });

  test('is read from real files, with what comes after the certificate', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'clonegate-serving-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const files = pair();
    const chain = `${files[certFile]}${authority.certificatePem}`;
    writeFileSync(join(dir, 'tls.crt'), chain);
    writeFileSync(join(dir, 'tls.key'), files[keyFile] ?? '');
    const clock = new FakeClock(start);
    const loaded = await loadServing({ certFile: join(dir, 'tls.crt'), keyFile: join(dir, 'tls.key'), clock });
    expect(loaded).toMatchObject({ cert: chain, key: files[keyFile] });
    expect(loaded.notAfter).toBe(Math.floor((start + 7 * day) / 1000) * 1000);
  });

  const good = pair();
  const second = (time: number): string => new Date(Math.floor(time / 1000) * 1000).toISOString();

  test.each<[string, Record<string, string>, string]>([
    ['no certificate file', { [keyFile]: good[keyFile] ?? '' }, `${certFile}: cannot be read: ENOENT`],
    ['no key file', { [certFile]: good[certFile] ?? '' }, `${keyFile}: cannot be read: ENOENT`],
    ['an empty certificate', { ...good, [certFile]: '' }, `${certFile}: does not begin with a certificate in PEM`],
    [
      'the files exchanged',
      { [certFile]: good[keyFile] ?? '', [keyFile]: good[certFile] ?? '' },
      `${certFile}: does not begin`,
    ],
    [
      'a key that is none',
      { ...good, [keyFile]: 'hunter2' },
      `${keyFile}: is not a private key in PEM without a passphrase`,
    ],
    [
      'the key of another certificate',
      { ...good, [keyFile]: pair()[keyFile] ?? '' },
      `${keyFile}: is not the key of the certificate in ${certFile}`,
    ],
    [
      'rubbish after the certificate',
      { ...good, [certFile]: `${good[certFile]}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n` },
      `${certFile}: cannot be served with its key`,
    ],
  ])('with %s is refused, and the message names the file', async (_, files, message) => {
    await expect(load(files)).rejects.toThrow(message);
    await expect(load(files)).rejects.toThrow(CertificateError);
  });

  test('is refused from the moment on that the certificate ends', async () => {
    await expect(load(good, start + 7 * day)).rejects.toThrow(
      `${certFile}: the certificate expired on ${second(start + 7 * day)}`,
    );
    await expect(load(good, start + 7 * day - 2000)).resolves.toBeDefined();
  });

  test('is refused before the certificate begins', async () => {
    await expect(load(good, start - 2 * day)).rejects.toThrow(/tls.crt: the certificate is valid only from/);
  });

  test('never appears in an error', async () => {
    const broken = good[keyFile].replace(/\n(.)/, '\n?$1');
    const error: unknown = await load({ ...good, [keyFile]: broken }).catch((thrown: unknown) => thrown);
    expect((error as Error).message).toBe(`${keyFile}: is not a private key in PEM without a passphrase`);
    expect((error as Error).cause).toBeUndefined();
  });
});

/** The watcher over files in memory and a clock that stands still, ended with the test. */
async function watching(files: Record<string, string>) {
  const clock = new FakeClock(start);
  const source = { certFile, keyFile, clock, read: folder(files) };
  const current = await loadServing(source);
  const served: ServingMaterial[] = [];
  const lines: string[] = [];
  const log = createLogger({ level: 'info', name: 'test', destination: { write: (line) => void lines.push(line) } });
  const watcher = watchServing({ ...source, current, log, serve: (material) => void served.push(material) });
  const stop = new AbortController();
  await watcher.start(stop.signal, () => undefined);
  const end = async (): Promise<void> => {
    stop.abort(new Error('over'));
    await watcher.stop?.();
  };
  onTestFinished(end);
  return { clock, served, lines, end };
}

describe('watching the files', () => {
  test('hands over new material within ten seconds, and only once', async () => {
    const files = pair();
    const { clock, served, lines } = await watching(files);
    await clock.advance(30_000);
    expect(served).toEqual([]);
    const next = pair();
    Object.assign(files, next);
    await clock.advance(9_999);
    expect(served).toEqual([]);
    await clock.advance(1);
    expect(served).toMatchObject([{ cert: next[certFile], key: next[keyFile] }]);
    await clock.advance(60_000);
    expect(served).toHaveLength(1);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('New serving certificate in service');
  });

  test('keeps what it has while the new files are bad, says so once, and takes them when they are mended', async () => {
    const files = pair();
    const { clock, served, lines } = await watching(files);
    const next = pair();
    // Caught between the two replacements.
    files[certFile] = next[certFile] ?? '';
    await clock.advance(50_000);
    expect(served).toEqual([]);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      err: { message: `${keyFile}: is not the key of the certificate in ${certFile}` },
    });
    files[certFile] = 'nonsense';
    await clock.advance(20_000);
    expect(lines).toHaveLength(2);
    Object.assign(files, next);
    await clock.advance(10_000);
    expect(served).toMatchObject([{ cert: next[certFile] }]);
  });

  test('says a fault again when it comes back after it was mended', async () => {
    const files = pair();
    const { clock, lines } = await watching(files);
    const whole = { ...files };
    for (const state of [{ [keyFile]: '' }, whole, { [keyFile]: '' }]) {
      Object.assign(files, state);
      await clock.advance(10_000);
    }
    expect(lines).toHaveLength(2);
  });

  test('does not take a certificate that has expired meanwhile', async () => {
    const files = pair();
    const { clock, served } = await watching(files);
    Object.assign(files, pair({ days: 0.0001 }));
    await clock.advance(10_000);
    expect(served).toEqual([]);
  });

  test('goes on when the material could not be put into service, and tries again', async () => {
    const files = pair();
    const clock = new FakeClock(start);
    const source = { certFile, keyFile, clock, read: folder(files) };
    const current = await loadServing(source);
    let calls = 0;
    const serve = (): void => {
      calls += 1;
      if (calls === 1) throw new Error('not now');
    };
    const stop = new AbortController();
    const watcher = watchServing({ ...source, current, serve, log: createLogger({ level: 'silent', name: 'test' }) });
    await watcher.start(stop.signal, () => undefined);
    Object.assign(files, pair());
    await clock.advance(40_000);
    expect(calls).toBe(2);
    stop.abort(new Error('over'));
    await watcher.stop?.();
  });

  test('ends with the program, leaving no timer behind', async () => {
    const { clock, end } = await watching(pair());
    await settle();
    expect(clock.sleeping).toBe(1);
    await end();
    expect(clock.sleeping).toBe(0);
  });

  test('new connections get the new certificate, open ones stay', async () => {
    const files = pair();
    const clock = new FakeClock(start);
    const source = { certFile, keyFile, clock, read: folder(files) };
    const current = await loadServing(source);
    const server = tlsServer(current);
    const stop = new AbortController();
    const serve = ({ cert, key }: ServingMaterial): void =>
      server.setSecureContext({ cert, key, minVersion: 'TLSv1.3' });
    const log = createLogger({ level: 'silent', name: 'test' });
    const watcher = watchServing({ ...source, current, serve, log });
    await watcher.start(stop.signal, () => undefined);
    const before = await shakeHands(server, authority.certificatePem, 'localhost');
    Object.assign(files, pair());
    await clock.advance(10_000);
    const after = await shakeHands(server, authority.certificatePem, 'localhost');
    expect(before.getPeerCertificate().fingerprint256).toBe(current.fingerprint);
    expect(after.getPeerCertificate().fingerprint256).not.toBe(current.fingerprint);
    expect(before.destroyed).toBe(false);
    for (const socket of [before, after]) socket.destroy();
    stop.abort(new Error('over'));
    await watcher.stop?.();
  });
});
