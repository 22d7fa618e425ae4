import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AccessError, accessFrom } from '../../../shared/kube/credentials.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'clonegate-credentials-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** A kubeconfig with one cluster, user and context; JSON is YAML too. */
function kubeconfig(user: object, cluster: object = {}): string {
  return write(
    'kubeconfig',
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443/prefix/', ...cluster } }],
      users: [{ name: 'u', user }],
      contexts: [
        { name: 'main', context: { cluster: 'c', user: 'u' } },
        { name: 'broken', context: { cluster: 'c', user: 'nobody' } },
      ],
      'current-context': 'main',
    }),
  );
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('a kubeconfig', () => {
  test('gives the server and the token', async () => {
    const source = accessFrom({ kubeconfig: kubeconfig({ token: 'abc' }) });
    const access = await source(false);
    expect(access.server.href).toBe('https://127.0.0.1:6443/prefix');
    expect(access).toMatchObject({ headers: { authorization: 'Bearer abc' }, tls: {} });
  });

  test('gives authority and client certificate, from data or from files beside it', async () => {
    const user = { 'client-certificate': 'tls.crt', 'client-key-data': base64('KEY') };
    write('tls.crt', 'CERT');
    const source = accessFrom({ kubeconfig: kubeconfig(user, { 'certificate-authority-data': base64('CA') }) });
    const { tls, headers } = await source(false);
    expect([tls.ca?.toString(), tls.cert?.toString(), tls.key?.toString()]).toEqual(['CA', 'CERT', 'KEY']);
    expect(headers).toEqual({});
  });

  test.each([
    ['basic', { username: 'me', password: 'pass' }, { authorization: `Basic ${base64('me:pass')}` }],
    ['impersonating', { token: 'abc', as: 'other' }, { authorization: 'Bearer abc', 'impersonate-user': 'other' }],
  ])('may be %s', async (_, user, headers) => {
    expect((await accessFrom({ kubeconfig: kubeconfig(user) })(false)).headers).toEqual(headers);
  });

  test('may name another server in the certificate, switch off its check, or go through a proxy', async () => {
    const cluster = {
      'tls-server-name': 'api.internal',
      'insecure-skip-tls-verify': true,
      'proxy-url': 'http://127.0.0.1:3128',
    };
    expect(await accessFrom({ kubeconfig: kubeconfig({}, cluster) })(false)).toMatchObject({
      tls: { servername: 'api.internal', rejectUnauthorized: false },
      proxy: 'http://127.0.0.1:3128',
    });
  });

  test.each([
    ['tokenFile', (file: string) => ({ tokenFile: file })],
    ['an auth-provider', (file: string) => ({ 'auth-provider': { name: 'tokenFile', config: { tokenFile: file } } })],
  ])('is read anew each time, the file of its token too (%s)', async (_, user) => {
    const file = write('token', 'first\n');
    const source = accessFrom({ kubeconfig: kubeconfig(user(file)) });
    expect((await source(false)).headers).toEqual({ authorization: 'Bearer first' });
    writeFileSync(file, 'second\n');
    expect((await source(false)).headers).toEqual({ authorization: 'Bearer second' });
  });

  test('runs its exec plugin once, and again only when its answer was refused', async () => {
    const runs = join(folder, 'runs');
    const program = `
      require('node:fs').appendFileSync(${JSON.stringify(runs)}, 'x');
      const token = 'run' + require('node:fs').readFileSync(${JSON.stringify(runs)}).length;
      console.log(JSON.stringify({ kind: 'ExecCredential', status: { token } }));`;
    const source = accessFrom({
      kubeconfig: kubeconfig({ exec: { command: process.execPath, args: ['-e', program] } }),
    });
    const tokens = [await source(false), await source(false), await source(true), await source(false)];
    expect(tokens.map((access) => access.headers['authorization'])).toEqual(
      ['run1', 'run1', 'run2', 'run2'].map((token) => `Bearer ${token}`),
    );
    expect(readFileSync(runs, 'utf8')).toBe('xx');
  });
});

describe('what cannot be used says what and where', () => {
  test.each([
    ['a missing file', () => ({ kubeconfig: join(folder, 'nowhere') }), /nowhere cannot be read: ENOENT/],
    ['no YAML', () => ({ kubeconfig: write('k', '{ no: [yaml') }), /cannot be read/],
    ['nothing in it', () => ({ kubeconfig: write('k', '{}') }), /context "undefined" does not exist.*contexts: none/],
    [
      'an unknown context',
      () => ({ kubeconfig: kubeconfig({}), context: 'other' }),
      /kubeconfig: context "other" does not exist.*contexts: main, broken/,
    ],
    ['a missing user', () => ({ kubeconfig: kubeconfig({}), context: 'broken' }), /"broken" names a missing user/],
    [
      'a SOCKS proxy',
      () => ({ kubeconfig: kubeconfig({}, { 'proxy-url': 'socks5://user:secret@127.0.0.1:1' }) }),
      /proxy-url socks5: is not supported/,
    ],
    [
      'HTTP without saying so',
      () => ({ kubeconfig: kubeconfig({}, { server: 'http://127.0.0.1:1' }) }),
      /HTTP protocol/,
    ],
    ['a missing token file', () => ({ kubeconfig: kubeconfig({ tokenFile: '/nowhere/token' }) }), /\/nowhere\/token/],
    [
      'a plugin that fails',
      () => ({ kubeconfig: kubeconfig({ exec: { command: process.execPath, args: ['-e', 'process.exit(3)'] } }) }),
      /no credentials for https:\/\/127\.0\.0\.1:6443/,
    ],
  ])('%s', async (_, options, message) => {
    const failed = accessFrom(options())(false);
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toBeInstanceOf(AccessError);
    await expect(failed).rejects.not.toThrow(/secret/);
  });

  test('no configuration at all', async () => {
    vi.stubEnv('KUBECONFIG', '');
    vi.stubEnv('HOME', folder);
    vi.stubEnv('KUBERNETES_SERVICE_HOST', undefined);
    await expect(accessFrom({})(false)).rejects.toThrow('no kubeconfig and no service account found');
  });
});

describe('in a pod', () => {
  const mounted = (): string => join(folder, 'var/run/secrets/kubernetes.io/serviceaccount');
  beforeEach(() => {
    mkdirSync(mounted(), { recursive: true });
    write('var/run/secrets/kubernetes.io/serviceaccount/token', 'first\n');
    write('var/run/secrets/kubernetes.io/serviceaccount/ca.crt', 'CA1');
    vi.stubEnv('KUBERNETES_SERVICE_HOST', 'fd00::1');
    vi.stubEnv('KUBERNETES_SERVICE_PORT', '8443');
  });

  test('it is the service account, read anew each time', async () => {
    const source = accessFrom({ root: folder });
    const first = await source(false);
    writeFileSync(join(mounted(), 'token'), 'second');
    writeFileSync(join(mounted(), 'ca.crt'), 'CA2');
    const second = await source(false);
    expect(
      [first, second].map(({ server, headers, tls }) => [server.host, headers['authorization'], tls.ca?.toString()]),
    ).toEqual([
      ['[fd00::1]:8443', 'Bearer first', 'CA1'],
      ['[fd00::1]:8443', 'Bearer second', 'CA2'],
    ]);
  });

  test.each(['token', 'ca.crt'])('a missing %s is named, and what to do about it', async (name) => {
    rmSync(join(mounted(), name));
    const failed = accessFrom({ root: folder })(false);
    await expect(failed).rejects.toBeInstanceOf(AccessError);
    await expect(failed).rejects.toThrow(new RegExp(`serviceaccount/${name} cannot be read: ENOENT.*automount`));
  });
});
