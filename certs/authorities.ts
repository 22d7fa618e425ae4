import { createPrivateKey, X509Certificate } from 'node:crypto';
import { CertificateError } from './errors.ts';
import type { Issued } from './issue.ts';

/**
 * The authorities of the webhook as a Secret keeps them. `tls.crt` and `tls.key` sign serving certificates; `next.crt` and `next.key`
 * are about to; `previous.crt` are trusted until the last certificate of theirs has ended. A Secret that others made is taken over as
 * long as these keys are absent or hold an authority that we can use.
 */

/** A certificate that is trusted. Times in milliseconds since the Unix epoch. */
export interface Trusted {
  /** As `X509Certificate.toString` writes it: the same certificate is always the same text. */
  readonly certificatePem: string;
  /** SHA-256, as openssl prints it. */
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Authority extends Trusted, Issued {}

export interface Authorities {
  /** Signs. */
  readonly current: Authority;
  /** Will sign as soon as everybody trusts it. */
  readonly next?: Authority;
  /** Have signed. Their private keys are gone. */
  readonly previous: readonly Trusted[];
  /** When the current one began to sign; milliseconds since the Unix epoch. */
  readonly since: number;
}

/** The keys of a Secret's data; undefined where there is to be none. */
export type SecretTexts = Readonly<Record<(typeof keys)[number], string | undefined>>;

const keys = ['tls.crt', 'tls.key', 'next.crt', 'next.key', 'previous.crt', 'since'] as const;

/** Everything that API servers have to trust, in PEM: the same authorities always make the same text, whichever of them signs. */
export function bundleOf({ current, next, previous }: Authorities): string {
  const all = [current, ...(next === undefined ? [] : [next]), ...previous];
  const sorted = all.toSorted((a, b) => a.notBefore - b.notBefore || (a.fingerprint < b.fingerprint ? -1 : 1));
  return sorted.map(({ certificatePem }) => certificatePem).join('');
}

/** @returns undefined when nothing is kept there yet. @throws CertificateError naming the key of the Secret and its fault. */
export function parseAuthorities(data: Readonly<Record<string, string>> = {}): Authorities | undefined {
  const text = (key: (typeof keys)[number]): string => Buffer.from(data[key] ?? '', 'base64').toString();
  const pair = (name: 'tls' | 'next'): Authority | undefined => {
    const [certificate, key] = [text(`${name}.crt`), text(`${name}.key`)];
    return certificate === '' && key === '' ? undefined : authorityOf(certificate, key, name);
  };
  const current = pair('tls');
  if (current === undefined) return undefined;
  const next = pair('next');
  const since = Date.parse(text('since'));
  return {
    current,
    ...(next === undefined ? {} : { next }),
    previous: trustedIn(text('previous.crt')),
    since: Number.isNaN(since) ? 0 : since,
  };
}

export function textsOf({ current, next, previous, since }: Authorities): SecretTexts {
  const older = previous.map(({ certificatePem }) => certificatePem).join('');
  return {
    'tls.crt': current.certificatePem,
    'tls.key': current.privateKeyPem,
    'next.crt': next?.certificatePem,
    'next.key': next?.privateKeyPem,
    'previous.crt': older === '' ? undefined : older,
    since: new Date(since).toISOString(),
  };
}

/** Checked to be a certificate that may sign, and its key. @throws CertificateError */
export function authorityOf(certificatePem: string, privateKeyPem: string, name = 'tls'): Authority {
  const trusted = trustedIn(certificatePem);
  const [first] = trusted;
  if (first === undefined) throw new CertificateError(`${name}.crt: does not begin with a certificate in PEM`);
  const certificate = new X509Certificate(first.certificatePem);
  if (!certificate.ca) throw new CertificateError(`${name}.crt: may not sign other certificates (it is no CA)`);
  const key = privateKeyOf(privateKeyPem, name);
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new CertificateError(`${name}.key: is not of curve P-256`);
  if (!certificate.checkPrivateKey(key))
    throw new CertificateError(`${name}.key: is not the key of the certificate in ${name}.crt`);
  return { ...first, privateKeyPem };
}

// The library's error is not passed on: it must never be asked whether it quotes the key.
function privateKeyOf(text: string, name: string) {
  try {
    return createPrivateKey(text);
  } catch {
    throw new CertificateError(`${name}.key: is not a private key in PEM without a passphrase`);
  }
}

/** The certificates in a text; what is none is left out. */
export function trustedIn(text: string): readonly Trusted[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    try {
      return [trustedOf(new X509Certificate(block))];
    } catch {
      return [];
    }
  });
}

function trustedOf(certificate: X509Certificate): Trusted {
  return {
    certificatePem: certificate.toString(),
    fingerprint: certificate.fingerprint256,
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}
