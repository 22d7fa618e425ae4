import { copyFailures } from '../../../shared/api/copy.ts';
import { parseObject } from '../../../shared/api/json.ts';
import { CopyError, failed } from '../failure.ts';
import type { Mark } from '../reading.ts';
import type { Survey } from '../tree/survey.ts';

/**
 * What the two pods of a copy say to each other over HTTPS. The one with the destination asks, by GET; the answer is a message of JSON per
 * line, and its last one is `end` or `failed`: what ends without was cut off. The one request of another kind, {@link calls.source}, is an
 * upgrade (RFC 9110, 7.8): the connection is that of a tool from then on, and speaks its {@link protocols protocol}.
 */
export const calls = {
  /** `alive` every few seconds, until the source is not handed out any longer. */
  watch: '/watch',
  /** `image` or `tree`, when it is there to be read. */
  facts: '/facts',
  /** It is read again: a `mark` every now and then of an image, an `entry` for each of a tree. */
  content: '/content',
  source: '/source',
} as const;

/** By which a source is read: QEMU's of a disk image, rsync's of a tree. Neither encrypts anything here. */
export const protocols = { image: 'nbd', tree: 'rsync' } as const;
type Protocol = (typeof protocols)[Facts['kind']];

/** The request for an upgrade, and the one answer to it that lets a tool speak. */
export const upgrade = {
  // HTTP wants a host, and nobody looks at it.
  request: (protocol: Protocol) =>
    `GET ${calls.source} HTTP/1.1\r\nHost: export\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
  answer: (protocol: Protocol) =>
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
};

/** What the source is. */
export type Facts =
  | { readonly kind: 'image' /** Bytes. */; readonly size: bigint }
  | ({ readonly kind: 'tree' } & Survey);

export type Message =
  | Facts
  | { readonly kind: 'alive' }
  | { readonly kind: 'end' }
  | ({ readonly kind: 'mark' } & Mark)
  | {
      readonly kind: 'entry';
      /** All that is compared of it but the content. */
      readonly text: string;
      /** SHA-256 of the content; empty where there is none. */
      readonly digest: string;
    }
  | { readonly kind: 'failed'; readonly error: CopyError };

/** Characters of a line at most: a path and the target of a link have 4096 bytes each at most, and each may be escaped. */
export const longestLine = 65_536;

/** The message's line, with its line feed. */
export function write(message: Message): string {
  const plain = message.kind === 'failed' ? { kind: 'failed', ...failed(message.error) } : message;
  return `${JSON.stringify(plain, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`;
}

/** @returns undefined for what is no message. */
export function read(line: string): Message | undefined {
  const message = parseObject(line) ?? {};
  const { kind, text, digest } = message;
  const bytes = (name: string): bigint => bytesIn(message[name]);
  switch (kind) {
    case 'alive':
    case 'end':
      return { kind };
    case 'image':
      return checked({ kind, size: bytes('size') });
    case 'tree': {
      const entries = Number(message['entries']);
      if (!Number.isSafeInteger(entries)) return undefined;
      return checked({ kind, entries, bytes: bytes('bytes'), allocated: bytes('allocated') });
    }
    case 'mark':
      return checked({ kind, done: bytes('done'), digest: String(digest) });
    case 'entry':
      return typeof text === 'string' && typeof digest === 'string' ? { kind, text, digest } : undefined;
    case 'failed':
      return { kind, error: errorIn(message) };
    default:
      return undefined;
  }
}

/** Not a number of bytes. */
const none = -1n;

function bytesIn(value: unknown): bigint {
  return typeof value === 'string' && /^\d{1,19}$/u.test(value) ? BigInt(value) : none;
}

function checked<T extends Message>(message: T): T | undefined {
  return Object.values(message).includes(none) ? undefined : message;
}

function errorIn({ reason, message, retry, offset }: Readonly<Record<string, unknown>>): CopyError {
  const words = typeof message === 'string' ? message : 'the export pod does not say why';
  const known = copyFailures.find((each) => each === reason) ?? 'CopyToolFailed';
  const at = bytesIn(offset);
  // The other pod has nothing but the source.
  const side = known === 'CopyIOError' ? 'source' : undefined;
  return new CopyError(known, words, { retry: retry === true, offset: at === none ? undefined : at, side });
}
