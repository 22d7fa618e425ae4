/** A certificate or key cannot be made or used. The message names the file or field and the fault, and never holds key material. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}
