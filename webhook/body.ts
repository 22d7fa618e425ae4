/** From the bytes of a request to parsed JSON, within bounds. */

/**
 * Bytes of a body. etcd keeps objects up to 1.5 MiB and the API server takes requests up to 3 MiB, but an update carries the object
 * twice, and JSON is larger than what etcd keeps. controller-runtime allows 7 MiB for the same reasons; what is larger is no review.
 */
export const bodyLimit = 7 * 1024 * 1024;

/**
 * So much of a body that is too large is still taken from the wire, and thrown away: a client that is cut off while it writes never
 * gets to read why. Beyond it, it is no mistake any more.
 */
const longestPatience = 4 * bodyLimit;

/** What is wrong with a body; answered with this HTTP status. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
  readonly statusCode: 400 | 413;

  constructor(statusCode: 400 | 413, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/**
 * Not Fastify's parser, because that refuses bodies that hold a key `__proto__` anywhere. A user may put such a key into an object, and
 * has to be told so by the API server rather than by a broken webhook call; JSON.parse makes an ordinary property of it, and nothing here
 * copies properties by assignment.
 * @throws BodyError when the body is too large, no UTF-8 or no JSON.
 */
export async function readJson(chunks: AsyncIterable<Uint8Array>): Promise<unknown> {
  const bytes = await collect(chunks);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new BodyError(400, 'the body is not JSON');
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.byteLength;
    if (size <= bodyLimit) kept.push(chunk);
    if (size > longestPatience) break;
  }
  if (size > bodyLimit) throw new BodyError(413, `the body is too large: a review has at most ${bodyLimit} bytes`);
  return Buffer.concat(kept);
}
