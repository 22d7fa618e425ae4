import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issueAuthority, issueServing } from '../../../certs/issue.ts';
import { generateStampKeys, type StampKeyFiles } from '../../../shared/trust/keys.ts';

/** How the program begins, or says why it does not. No cluster is needed for that. */

const program = join(import.meta.dirname, '../../../webhook/main.ts');
let folder: string;
let keys: StampKeyFiles;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'clonegate-start-'));
  keys = await generateStampKeys();
  const authority = issueAuthority({ commonName: 'test', days: 1, now: Date.now() });
  const serving = issueServing(authority, { dnsNames: ['test'], ipAddresses: [], days: 1, now: Date.now() });
  write('tls.crt', serving.certificatePem);
  write('tls.key', serving.privateKeyPem);
  write('stamp.json', keys.stampKey);
  write('stamps.json', keys.stampPublicKeys);
  write('identity.json', keys.identityPublicKey);
});

afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

const path = (file: string): string => join(folder, file);
const write = (file: string, text: string): void => writeFileSync(path(file), text, { mode: 0o600 });

async function start(...args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return await new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env: {}, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

const files = (changes: Readonly<Record<string, string>> = {}): string[] => {
  const named = {
    'tls-cert-file': 'tls.crt',
    'tls-key-file': 'tls.key',
    'stamp-key-file': 'stamp.json',
    'stamp-public-keys-file': 'stamps.json',
    'identity-public-key-file': 'identity.json',
    ...changes,
  };
  return Object.entries(named).map(([flag, file]) => `--${flag}=${path(file)}`);
};

describe('node webhook/main.ts', () => {
  it('tells its settings when asked', async () => {
    const { code, stdout } = await start('--help');
    expect(code).toBe(0);
    expect(stdout).toContain('--stamp-public-keys-file');
  });

  it('names every setting that is missing', async () => {
    const { code, stderr } = await start();
    expect(code).toBe(2);
    for (const flag of files().map((each) => each.split('=')[0])) expect(stderr).toContain(flag);
  });

  it.each([
    ['no certificate', { 'tls-cert-file': 'stamp.json' }, 'stamp.json'],
    ['a file that is not there', { 'tls-key-file': 'nothing' }, 'nothing'],
    ['a public key to sign with', { 'stamp-key-file': 'stamps.json' }, 'stamp signing key'],
  ])('says what is wrong with %s', async (_, changes, words) => {
    const { code, stderr } = await start(...files(changes));
    expect(code).toBe(1);
    expect(stderr).toContain(words);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('does not sign with a key that nobody verifies with', async () => {
    write('others.json', (await generateStampKeys()).stampPublicKeys);
    const { code, stderr } = await start(...files({ 'stamp-public-keys-file': 'others.json' }));
    expect(code).toBe(1);
    expect(stderr).toContain('publish it before it signs');
  });

  it('says so when it finds no cluster', async () => {
    const { code, stderr } = await start(...files(), `--kubeconfig=${path('no-kubeconfig')}`);
    expect(code).toBe(1);
    expect(stderr).toContain('no-kubeconfig');
  });
});
