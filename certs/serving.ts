import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import { createLookout } from '../shared/process/lookout.ts';
import type { Component } from '../shared/process/run.ts';
import { CertificateError } from './errors.ts';
import type { Issued } from './issue.ts';

/**
 * What the webhook serves TLS with, read from files that others (a mounted Secret, cert-manager) replace while the program runs. The
 * files are read again at a steady pace and not watched: a Secret's volume is swapped by renaming links, which file watchers miss.
 */

export interface ServingFiles {
  /** PEM: the serving certificate first, then those that lead to its authority. */
  readonly certFile: string;
  /** PEM, not encrypted. */
  readonly keyFile: string;
}

/** Checked to belong together and to be valid now. */
export interface ServingMaterial {
  readonly cert: string;
  readonly key: string;
  /** Milliseconds since the Unix epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the certificate, as openssl prints it. */
  readonly fingerprint: string;
}

export interface ServingSource extends ServingFiles {
  readonly clock: Clock;
  /** Reads a file as UTF-8; node's unless a test says otherwise. */
  readonly read?: (path: string) => Promise<string>;
}

export interface WatchOptions extends ServingSource {
  readonly log: Logger;
  /** What is served at the start. */
  readonly current: ServingMaterial;
  /** Takes new material into service: new connections get it, those that are open keep what they have. */
  readonly serve: (material: ServingMaterial) => void;
}

/** Milliseconds between two looks. Far below any overlap of two certificates, and next to nothing to read. */
const pace = 10_000;

/** @throws CertificateError naming the file and what is wrong with it. */
export async function loadServing({
  certFile,
  keyFile,
  clock,
  read = readText,
}: ServingSource): Promise<ServingMaterial> {
  const [cert, key] = [await readNamed(read, certFile), await readNamed(read, keyFile)];
  const certificate = parseCertificate(cert, certFile);
  if (!certificate.checkPrivateKey(parseKey(key, keyFile)))
    throw new CertificateError(`${keyFile}: is not the key of the certificate in ${certFile}`);
  checkTime(certificate, certFile, clock.now());
  checkUse(cert, key, certFile);
  return { cert, key, ...datesOf(certificate) };
}

/** Of what was just issued, and so needs no check. */
export function materialOf({ certificatePem, privateKeyPem }: Issued): ServingMaterial {
  return { cert: certificatePem, key: privateKeyPem, ...datesOf(new X509Certificate(certificatePem)) };
}

function datesOf(certificate: X509Certificate): Omit<ServingMaterial, 'cert' | 'key'> {
  return {
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    fingerprint: certificate.fingerprint256,
  };
}

/**
 * Looks at the files every 10 seconds and hands over what is new. What cannot be used is logged, once for each fault, and tried again;
 * until it is mended the old material stays in service. The two files may be caught between their replacements; the next look mends that.
 */
export function watchServing(options: WatchOptions): Component {
  const { clock, log, serve } = options;
  let { current } = options;
  return createLookout({
    name: 'serving certificate',
    pace,
    clock,
    log,
    complaint: 'Serving certificate files not usable, what is served stays as it is',
    look: async () => {
      const material = await loadServing(options);
      if (material.cert === current.cert && material.key === current.key) return;
      serve(material);
      current = material;
      const { fingerprint, notAfter } = material;
      log.info({ fingerprint, notAfter: new Date(notAfter).toISOString() }, 'New serving certificate in service');
    },
  });
}

async function readText(path: string): Promise<string> {
  return await readFile(path, 'utf8');
}

async function readNamed(read: (path: string) => Promise<string>, path: string): Promise<string> {
  try {
    return await read(path);
  } catch (error) {
    throw new CertificateError(`${path}: cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseCertificate(text: string, file: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    throw new CertificateError(`${file}: does not begin with a certificate in PEM`);
  }
}

// The library's error is not passed on: it must never be asked whether it quotes the key.
function parseKey(text: string, file: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    throw new CertificateError(`${file}: is not a private key in PEM without a passphrase`);
  }
}

function checkTime({ validFromDate, validToDate }: X509Certificate, file: string, now: number): void {
  if (validToDate.getTime() <= now)
    throw new CertificateError(`${file}: the certificate expired on ${validToDate.toISOString()}; put a new one there`);
  if (validFromDate.getTime() > now)
    throw new CertificateError(`${file}: the certificate is valid only from ${validFromDate.toISOString()} on`);
}

/** What only TLS itself can tell: a chain that cannot be read, a key too weak for it. */
function checkUse(cert: string, key: string, file: string): void {
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CertificateError(`${file}: cannot be served with its key: ${why}`);
  }
}
