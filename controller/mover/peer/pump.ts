import type { OnReadOpts, Socket } from 'node:net';
import type { Writable } from 'node:stream';

/**
 * Hands on what a socket receives through a few buffers that are used again and again. A stream makes a new one for whatever comes, which by TLS
 * is 16 KiB, and with all that it does about each keeps this program busy for twice as long (DECISIONS.md).
 */
export interface Pump {
  /** For who opens the socket. */
  readonly onread: OnReadOpts;
  /** What comes first: so many bytes, a few, when they are there. For one caller, and once; he calls `start` next. */
  first(bytes: number): Promise<Buffer>;
  /** Hands on all else. @param from the socket. */
  start(from: Socket, to: Writable): void;
}

/** Bytes that are read at once. */
const chunk = 64 * 1024;
/** Bytes of a buffer that is handed on. */
const size = 2 * chunk;
/** Buffers that may be under way before the socket is read no more. What TLS has received by then still comes, and takes one more. */
const most = 3;

/** @param soon does it when all that is there has been read. */
export function createPump(soon: (work: () => void) => void = setImmediate): Pump {
  const shelf = createShelf();
  let [buffer, begin, end] = [shelf.take(), 0, 0];
  let [underWay, paused, scheduled] = [0, false, false];
  let ends: { readonly from: Socket; readonly to: Writable } | undefined;
  let awaited = createWait(0);

  const handOn = (): void => {
    scheduled = false;
    if (ends === undefined || begin === end) return;
    const used = buffer;
    underWay += 1;
    ends.to.write(used.subarray(begin, end), () => {
      underWay -= 1;
      shelf.give(used);
      resume();
    });
    [buffer, begin, end] = [shelf.take(), 0, 0];
  };
  const resume = (): void => {
    if (!paused || underWay >= most) return;
    paused = false;
    ends?.from.resume();
  };
  const receive = (bytes: number, from: Uint8Array): boolean => {
    if (size - end < bytes) handOn();
    buffer.set(from.subarray(0, bytes), end);
    end += bytes;
    awaited.tell(end);
    if (!scheduled) soon(handOn);
    scheduled = true;
    paused = underWay >= most;
    return !paused;
  };
  return {
    onread: { buffer: Buffer.allocUnsafeSlow(chunk), callback: receive },
    first: async (bytes) => {
      awaited = createWait(bytes);
      awaited.tell(end);
      await awaited.over;
      begin = bytes;
      return Buffer.from(buffer.subarray(0, bytes));
    },
    start: (from, to) => {
      ends = { from, to };
      from.once('end', () => {
        handOn();
        to.end();
      });
      handOn();
      resume();
    },
  };
}

/** Buffers that nobody uses, made when there is none. */
function createShelf() {
  const free: Buffer[] = [];
  return {
    take: (): Buffer => free.pop() ?? Buffer.allocUnsafeSlow(size),
    give: (buffer: Buffer): void => void free.push(buffer),
  };
}

function createWait(bytes: number) {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const tell = (there: number): void => {
    if (there >= bytes) resolve();
  };
  return { over, tell };
}
