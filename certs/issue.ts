import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import * as der from './der.ts';
import { CertificateError } from './errors.ts';

/**
 * Makes the authority and the serving certificate of the webhook: P-256 keys, ECDSA with SHA-256, X.509 version 3. What for and how long
 * is the caller's to say.
 */

export interface Issued {
  /** One certificate. */
  readonly certificatePem: string;
  /** PKCS #8, not encrypted. */
  readonly privateKeyPem: string;
}

interface Lifetime {
  /** From `now`; more than 0. */
  readonly days: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

export interface AuthorityOptions extends Lifetime {
  /** 1 to 64 characters (RFC 5280, ub-common-name). */
  readonly commonName: string;
}

export interface ServingOptions extends Lifetime {
  readonly dnsNames: readonly string[];
  /** IPv4 or IPv6. */
  readonly ipAddresses: readonly string[];
}

const day = 24 * 60 * 60 * 1000;

/** Clients whose clocks are behind ours by less accept a new certificate at once. Milliseconds. */
const clockSkew = 60 * 60 * 1000;

const servingName = 'clonegate serving certificate';

/** A self-signed authority that may sign end certificates only. @throws CertificateError for options out of range. */
export function issueAuthority({ commonName, days, now }: AuthorityOptions): Issued {
  if (commonName === '' || commonName.length > 64)
    throw new CertificateError(`commonName: must have 1 to 64 characters, not ${commonName.length}`);
  const key = newKey();
  const name = der.commonName(commonName);
  return issue({
    key,
    signer: key.privateKey,
    subject: name,
    issuer: name,
    notBefore: new Date(now - clockSkew),
    notAfter: endOf(days, now),
    extensions: [
      extension('2.5.29.19', der.sequence(der.boolean(true), der.integer(Uint8Array.of(0))), 'critical'),
      // keyCertSign and cRLSign, bits 5 and 6.
      extension('2.5.29.15', der.bits(Uint8Array.of(0b0000_0110), 1), 'critical'),
      extension('2.5.29.14', der.octets(keyId(key.publicKey))),
    ],
  });
}

/**
 * A serving certificate, signed by the authority, for exactly these names and addresses. It ends when the authority does at the latest.
 * @throws CertificateError for options out of range, and for an authority that is unusable or has expired.
 */
export function issueServing(authority: Issued, { dnsNames, ipAddresses, days, now }: ServingOptions): Issued {
  const parent = readAuthority(authority, now);
  const key = newKey();
  return issue({
    key,
    signer: parent.key,
    subject: der.commonName(servingName),
    issuer: parent.subject,
    notBefore: new Date(Math.max(now - clockSkew, parent.notBefore)),
    notAfter: new Date(Math.min(endOf(days, now).getTime(), parent.notAfter)),
    extensions: [
      extension('2.5.29.19', der.sequence(), 'critical'),
      // digitalSignature, bit 0: with ECDHE the key signs and does nothing else.
      extension('2.5.29.15', der.bits(Uint8Array.of(0b1000_0000), 7), 'critical'),
      // serverAuth.
      extension('2.5.29.37', der.sequence(der.oid('1.3.6.1.5.5.7.3.1'))),
      extension('2.5.29.17', der.sequence(...alternativeNames(dnsNames, ipAddresses))),
      extension('2.5.29.14', der.octets(keyId(key.publicKey))),
      extension('2.5.29.35', der.sequence(der.tagged(0, keyId(parent.publicKey)))),
    ],
  });
}

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function newKey(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function endOf(days: number, now: number): Date {
  const end = new Date(now + days * day);
  // RFC 5280 has no times after the year 9999.
  if (!(days > 0) || !(end.getUTCFullYear() <= 9999))
    throw new CertificateError(`days: must be more than 0 and end before the year 10000, not ${days}`);
  return end;
}

interface Template {
  readonly key: KeyPair;
  readonly signer: KeyObject;
  readonly subject: der.Node;
  readonly issuer: der.Node;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly der.Node[];
}

/** RFC 5280, 4.1: TBSCertificate, the algorithm, the signature over the former. */
function issue({ key, signer, subject, issuer, notBefore, notAfter, extensions }: Template): Issued {
  // ecdsa-with-SHA256, without parameters (RFC 5758, 3.2).
  const algorithm = der.sequence(der.oid('1.2.840.10045.4.3.2'));
  const body = der.sequence(
    der.tagged(0, der.integer(Uint8Array.of(2))),
    der.integer(serialNumber()),
    algorithm,
    issuer,
    der.sequence(der.time(notBefore), der.time(notAfter)),
    subject,
    der.decode(key.publicKey.export({ type: 'spki', format: 'der' })),
    der.tagged(3, der.sequence(...extensions)),
  );
  const signature = sign('sha256', der.encode(body), signer);
  const certificate = new X509Certificate(der.encode(der.sequence(body, algorithm, der.bits(signature))));
  return {
    certificatePem: certificate.toString(),
    privateKeyPem: key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** 126 random bits; the first byte lies within 64 to 127, which makes the number positive and its encoding the shortest. */
function serialNumber(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

/** RFC 7093, 2, method 1: the first 160 bits of SHA-256 over the bits of the public key. */
function keyId(key: KeyObject): Uint8Array {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  // An uncompressed point: 4, x, y.
  const point = Buffer.concat([Uint8Array.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  return createHash('sha256').update(point).digest().subarray(0, 20);
}

function extension(id: string, value: der.Node, critical?: 'critical'): der.Node {
  const flag = critical === undefined ? [] : [der.boolean(true)];
  return der.sequence(der.oid(id), ...flag, der.octets(der.encode(value)));
}

/** RFC 1123 labels, the first one possibly a wildcard. */
const dnsName = /^(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

function alternativeNames(dnsNames: readonly string[], ipAddresses: readonly string[]): readonly der.Node[] {
  if (dnsNames.length + ipAddresses.length === 0)
    throw new CertificateError('dnsNames, ipAddresses: at least one is needed, for clients check nothing else');
  const names = dnsNames.map((name) => {
    if (name.length > 253 || !dnsName.test(name))
      throw new CertificateError(`dnsNames: ${JSON.stringify(name)} is not a DNS name in lower case`);
    return der.tagged(2, Buffer.from(name));
  });
  const addresses = ipAddresses.map((address) => {
    const bytes = der.addressBytes(address);
    if (bytes === undefined)
      throw new CertificateError(`ipAddresses: ${JSON.stringify(address)} is not an IP address without a zone`);
    return der.tagged(7, bytes);
  });
  return [...names, ...addresses];
}

function readAuthority(authority: Issued, now: number) {
  const { certificate, key } = parseAuthority(authority);
  if (!certificate.ca) throw new CertificateError('authority: the certificate may not sign others (it is no CA)');
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new CertificateError('authority: the key is not of curve P-256');
  if (!certificate.checkPrivateKey(key))
    throw new CertificateError('authority: the key is not that of the certificate');
  const notAfter = certificate.validToDate.getTime();
  if (notAfter <= now)
    throw new CertificateError(`authority: it expired on ${certificate.validToDate.toISOString()}; issue a new one`);
  // Certificate, TBSCertificate, and there after version, serial number, algorithm, issuer and validity: the subject, byte for byte.
  const subject = der.children(der.children(der.decode(certificate.raw))[0])[5];
  if (subject === undefined) throw new CertificateError('authority: the certificate has no subject');
  return { key, subject, publicKey: certificate.publicKey, notBefore: certificate.validFromDate.getTime(), notAfter };
}

function parseAuthority({ certificatePem, privateKeyPem }: Issued) {
  try {
    return { certificate: new X509Certificate(certificatePem), key: createPrivateKey(privateKeyPem) };
  } catch {
    throw new CertificateError('authority: the certificate or the key is not PEM that can be read');
  }
}
