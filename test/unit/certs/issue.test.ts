import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CertificateError } from '../../../certs/errors.ts';
import { type Issued, issueAuthority, issueServing, type ServingOptions } from '../../../certs/issue.ts';
import { shakeHands, tlsServer } from './handshake.ts';

const now = Date.now();
const hour = 60 * 60 * 1000;
const day = 24 * hour;
const authority = issueAuthority({ commonName: 'clonegate webhook authority', days: 365, now });
const names: ServingOptions = {
  dnsNames: ['clonegate.clonegate-system.svc', 'localhost'],
  ipAddresses: ['127.0.0.1', '::1'],
  days: 7,
  now,
};
const serving = issueServing(authority, names);

const parsed = ({ certificatePem }: Issued): X509Certificate => new X509Certificate(certificatePem);
const ca = parsed(authority);
const leaf = parsed(serving);
const toSecond = (time: number): number => Math.floor(time / 1000) * 1000;

/** The handshake with a server of this certificate, by a client that trusts this authority only. */
async function handshake(leaf: Issued, host: string, trusted = authority): Promise<string | null> {
  const server = tlsServer({ cert: leaf.certificatePem, key: leaf.privateKeyPem });
  const socket = await shakeHands(server, trusted.certificatePem, host);
  expect(socket.authorized).toBe(true);
  const protocol = socket.getProtocol();
  socket.destroy();
  return protocol;
}

describe('an authority', () => {
  test('is a CA that signed itself, with a P-256 key of its own', () => {
    expect(ca.ca).toBe(true);
    expect(ca.subject).toBe('CN=clonegate webhook authority');
    expect(ca.checkIssued(ca)).toBe(true);
    expect(ca.verify(ca.publicKey)).toBe(true);
    expect(ca.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
    expect(ca.checkPrivateKey(createPrivateKey(authority.privateKeyPem))).toBe(true);
  });

  test('is valid from an hour ago, for clocks that are behind, and for as long as was asked', () => {
    expect(ca.validFromDate.getTime()).toBe(toSecond(now - hour));
    expect(ca.validToDate.getTime()).toBe(toSecond(now + 365 * day));
  });

  test('may end after 2049, where the encoding of times changes', () => {
    for (const end of ['2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
      // The same time of day, so that the days are whole ones and nothing is rounded.
      const begin = Date.parse(`2026-01-01${end.slice(10)}`);
      const long = issueAuthority({ commonName: 'long', days: (Date.parse(end) - begin) / day, now: begin });
      expect(parsed(long).validToDate.getTime()).toBe(Date.parse(end));
    }
  });

  test('may be named in any script', () => {
    expect(parsed(issueAuthority({ commonName: 'Ämtli 权威', days: 1, now })).subject).toContain('Ämtli 权威');
  });

  test.each([
    [{ commonName: '' }, /commonName/],
    [{ commonName: 'x'.repeat(65) }, /commonName/],
    [{ days: 0 }, /days/],
    [{ days: -1 }, /days/],
    [{ days: Number.NaN }, /days/],
    [{ days: Number.POSITIVE_INFINITY }, /days/],
    [{ days: 4_000_000 }, /days/],
  ])('is not made with %j', (change, message) => {
    const issue = (): Issued => issueAuthority({ commonName: 'x', days: 1, now, ...change });
    expect(issue).toThrow(CertificateError);
    expect(issue).toThrow(message);
  });
});

describe('a serving certificate', () => {
  test('is signed by the authority, may sign nothing itself, and serves only', () => {
    expect(leaf.ca).toBe(false);
    expect(leaf.checkIssued(ca)).toBe(true);
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(leaf.checkPrivateKey(createPrivateKey(serving.privateKeyPem))).toBe(true);
  });

  test('has exactly the names and addresses that were asked for', () => {
    expect(leaf.subjectAltName).toBe(
      'DNS:clonegate.clonegate-system.svc, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
  });

  test.each([
    ['::', '0:0:0:0:0:0:0:0'],
    ['fd00::1:2', 'FD00:0:0:0:0:0:1:2'],
    ['2001:DB8:0:0:8:800:200C:417A', '2001:DB8:0:0:8:800:200C:417A'],
    ['fe80::', 'FE80:0:0:0:0:0:0:0'],
    ['::ffff:1.2.3.4', '0:0:0:0:0:FFFF:102:304'],
  ])('names the IPv6 address %s in full', (address, printed) => {
    const { subjectAltName } = parsed(issueServing(authority, { ...names, dnsNames: [], ipAddresses: [address] }));
    expect(subjectAltName).toBe(`IP Address:${printed}`);
  });

  test('names its own key and that of its authority, so that two authorities of one name are told apart', () => {
    // An uncompressed point is the last 65 bytes of a P-256 key.
    const id = ({ publicKey }: X509Certificate): Buffer => {
      const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
      return createHash('sha256').update(point).digest().subarray(0, 20);
    };
    expect(ca.raw.includes(id(ca))).toBe(true);
    expect(leaf.raw.includes(id(ca))).toBe(true);
    expect(leaf.raw.includes(id(leaf))).toBe(true);
  });

  test('never outlives its authority', () => {
    const short = issueAuthority({ commonName: 'short', days: 2, now });
    expect(parsed(issueServing(short, names)).validToDate).toEqual(parsed(short).validToDate);
    expect(leaf.validToDate.getTime()).toBe(toSecond(now + 7 * day));
  });

  test('does not begin before its authority', () => {
    const late = issueAuthority({ commonName: 'late', days: 9, now: now + hour / 2 });
    expect(parsed(issueServing(late, names)).validFromDate).toEqual(parsed(late).validFromDate);
  });

  test('has a key and a serial number of its own each time, of 64 random bits at least', () => {
    const serials = Array.from({ length: 20 }, () => parsed(issueServing(authority, names)).serialNumber);
    expect(new Set(serials).size).toBe(20);
    // 16 bytes, and positive.
    for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9A-F]{31}$/);
    expect(issueServing(authority, names).privateKeyPem).not.toBe(serving.privateKeyPem);
  });

  test.each([
    [{ dnsNames: [], ipAddresses: [] }, /at least one is needed/],
    [{ dnsNames: ['under_score.svc'] }, /"under_score.svc" is not a DNS name/],
    [{ dnsNames: ['Upper.svc'] }, /in lower case/],
    [{ dnsNames: [''] }, /dnsNames/],
    [{ dnsNames: [`${'a'.repeat(64)}.svc`] }, /dnsNames/],
    [{ dnsNames: [Array.from({ length: 130 }, () => 'a').join('.')] }, /dnsNames/],
    [{ dnsNames: ['a.svc\nb.svc'] }, /dnsNames/],
    [{ ipAddresses: ['localhost'] }, /"localhost" is not an IP address/],
    [{ ipAddresses: ['127.0.0.256'] }, /ipAddresses/],
    [{ ipAddresses: ['fe80::1%eth0'] }, /without a zone/],
    [{ days: 0 }, /days/],
  ])('is not made with %j', (change, message) => {
    const issue = (): Issued => issueServing(authority, { ...names, ...change });
    expect(issue).toThrow(CertificateError);
    expect(issue).toThrow(message);
  });
});

describe('an authority that cannot be used says why', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const other = issueAuthority({ commonName: 'other', days: 1, now });

  test.each<[string, Issued, RegExp]>([
    [
      'expired',
      issueAuthority({ commonName: 'old', days: 1, now: now - 3 * day }),
      /it expired on .*; issue a new one/,
    ],
    ['no CA', serving, /it is no CA/],
    ["another authority's key", { ...authority, privateKeyPem: other.privateKeyPem }, /not that of the certificate/],
    ['an RSA key', { ...authority, privateKeyPem: String(rsa) }, /not of curve P-256/],
    ['no certificate', { ...authority, certificatePem: 'x' }, /not PEM that can be read/],
    ['no key', { ...authority, privateKeyPem: 'secret' }, /not PEM that can be read/],
  ])('%s', (_, broken, message) => {
    expect(() => issueServing(broken, names)).toThrow(message);
    expect(() => issueServing(broken, names)).toThrow(CertificateError);
  });
});

describe('a client that trusts the authority only', () => {
  test.each(['clonegate.clonegate-system.svc', 'localhost', '127.0.0.1', '::1'])(
    'accepts %s by TLS 1.3',
    async (host) => {
      expect(await handshake(serving, host)).toBe('TLSv1.3');
    },
  );

  test.each(['clonegate.other.svc', '127.0.0.2', '::2', 'svc'])(
    'refuses %s, which the certificate does not name',
    async (host) => {
      await expect(handshake(serving, host)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    },
  );

  test('accepts both while it trusts an old and a new authority of the same name', async () => {
    const next = issueAuthority({ commonName: 'clonegate webhook authority', days: 365, now });
    const both = { ...next, certificatePem: authority.certificatePem + next.certificatePem };
    expect(await handshake(serving, 'localhost', both)).toBe('TLSv1.3');
    expect(await handshake(issueServing(next, names), 'localhost', both)).toBe('TLSv1.3');
  });

  test('refuses a certificate of another authority, even one of the same name', async () => {
    const double = issueAuthority({ commonName: 'clonegate webhook authority', days: 365, now });
    await expect(handshake(issueServing(double, names), 'localhost')).rejects.toThrow(/certificate|signature/);
  });

  test('refuses one that has expired, and one that is not valid yet', async () => {
    const old = issueAuthority({ commonName: 'old', days: 30, now: now - 10 * day });
    await expect(
      handshake(issueServing(old, { ...names, now: now - 9 * day }), 'localhost', old),
    ).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' });
    const next = issueServing(authority, { ...names, now: now + 2 * day });
    await expect(handshake(next, 'localhost')).rejects.toMatchObject({ code: 'CERT_NOT_YET_VALID' });
  });

  test('refuses what a serving certificate signed, for that is no authority', async () => {
    const posing = issueAuthority({ commonName: 'clonegate serving certificate', days: 30, now });
    const chained = issueServing(posing, names);
    const chain = { ...chained, certificatePem: chained.certificatePem + serving.certificatePem };
    await expect(handshake(chain, 'localhost')).rejects.toThrow(/certificate/);
  });
});
