import { isIP } from 'node:net';
import forge from 'node-forge';

/**
 * The few ASN.1 types that an X.509 certificate (RFC 5280) is made of, encoded by node-forge. forge itself knows no elliptic curves, so
 * nothing of its certificate or key code is used: keys and signatures are node:crypto's business.
 */

export type Node = forge.asn1.Asn1;

const { asn1 } = forge;
const { Class, Type } = asn1;

function primitive(type: forge.asn1.Type, bytes: Uint8Array): Node {
  return asn1.create(Class.UNIVERSAL, type, false, binary(bytes));
}

/** forge keeps bytes as strings of characters 0 to 255. */
function binary(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

export function sequence(...items: readonly Node[]): Node {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, [...items]);
}

function set(...items: readonly Node[]): Node {
  return asn1.create(Class.UNIVERSAL, Type.SET, true, [...items]);
}

/** `bytes` big-endian; the caller keeps the first byte within 0 to 127 (and 0 only alone), so that the number is positive and shortest. */
export function integer(bytes: Uint8Array): Node {
  return primitive(Type.INTEGER, bytes);
}

export function boolean(value: boolean): Node {
  return primitive(Type.BOOLEAN, Uint8Array.of(value ? 0xff : 0));
}

export function octets(bytes: Uint8Array): Node {
  return primitive(Type.OCTETSTRING, bytes);
}

/** The last `unused` bits of `bytes` do not count. */
export function bits(bytes: Uint8Array, unused = 0): Node {
  return primitive(Type.BITSTRING, Uint8Array.of(unused, ...bytes));
}

export function oid(dotted: string): Node {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes());
}

/** A tagged `[number]`: of another node when explicit, of plain bytes when implicit. */
export function tagged(number: number, content: Node | Uint8Array): Node {
  const implicit = content instanceof Uint8Array;
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- forge types every tag as if it were a universal one
  const tag = number as forge.asn1.Type;
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, !implicit, implicit ? binary(content) : [content]);
}

/** RFC 5280, 4.1.2.5: UTCTime through 2049, GeneralizedTime from then on. */
export function time(date: Date): Node {
  return date.getUTCFullYear() < 2050
    ? asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
    : asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date));
}

/** A distinguished name of one common name. */
export function commonName(text: string): Node {
  return sequence(set(sequence(oid('2.5.4.3'), primitive(Type.UTF8, Buffer.from(text)))));
}

/** The 4 or 16 bytes of an address; undefined when it is none (an address with a zone is none that a certificate can name). */
export function addressBytes(address: string): Uint8Array | undefined {
  if (isIP(address) === 0 || address.includes('%')) return undefined;
  if (isIP(address) === 4) return Uint8Array.from(address.split('.'), Number);
  // The URL parser writes every spelling of an IPv6 address as groups of hexadecimal digits, at most one run of zeros left out.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): string[] => (text === undefined || text === '' ? [] : text.split(':'));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail)];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

export function encode(node: Node): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

export function decode(der: Uint8Array): Node {
  return asn1.fromDer(binary(der));
}

/** The children of a constructed node; none for a primitive one. */
export function children(node: Node | undefined): readonly Node[] {
  return node === undefined || typeof node.value === 'string' ? [] : node.value;
}
