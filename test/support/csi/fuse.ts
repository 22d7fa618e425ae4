/**
 * As much of the kernel's FUSE protocol (linux/fuse.h, version 7.31) as a file system takes that is one single file. Pure: bytes in, bytes out.
 * The byte order is the machine's, and all that Node runs on here are little-endian.
 */

/** What the kernel wants. */
export interface FuseRequest {
  readonly code: number;
  /** By which the answer is told to be the answer to this. */
  readonly unique: bigint;
  readonly body: Buffer;
}

export const fuseCodes = {
  forget: 2,
  getattr: 3,
  open: 14,
  read: 15,
  write: 16,
  release: 18,
  fsync: 20,
  flush: 25,
  init: 26,
  interrupt: 36,
  batchForget: 42,
} as const;

/** Bytes of data in one request at most; multiples of a page. */
export const maxData = 1024 ** 2;
/** Of the buffer that requests are read into: their heads come before the data. */
export const requestBytes = maxData + 4096;

const inHeader = 40;
const outHeader = 16;
const writeHead = 40;
/** linux/fuse.h: FUSE_MAX_PAGES, FUSE_BIG_WRITES. */
const flags = (1 << 22) | (1 << 5);
const pageBytes = 4096;
/** FOPEN_DIRECT_IO: nothing is kept in memory, so that what fails is seen to fail. */
const directIo = 1;
const regularFile = 0o100600;

export function parseRequest(bytes: Buffer): FuseRequest {
  return {
    code: bytes.readUInt32LE(4),
    unique: bytes.readBigUInt64LE(8),
    body: bytes.subarray(inHeader, bytes.readUInt32LE(0)),
  };
}

/** @param errno 0, or the positive number of errno(3). */
export function answer({ unique }: FuseRequest, errno: number, body: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(outHeader);
  head.writeUInt32LE(outHeader + body.length, 0);
  head.writeInt32LE(-errno, 4);
  head.writeBigUInt64LE(unique, 8);
  return Buffer.concat([head, body]);
}

/** fuse_init_out. */
export function initBody({ body }: FuseRequest): Buffer {
  const out = Buffer.alloc(64);
  out.writeUInt32LE(7, 0);
  out.writeUInt32LE(31, 4);
  out.writeUInt32LE(body.readUInt32LE(8), 8);
  out.writeUInt32LE(flags, 12);
  out.writeUInt16LE(16, 16);
  out.writeUInt16LE(12, 18);
  out.writeUInt32LE(maxData, 20);
  // Times are told in nanoseconds.
  out.writeUInt32LE(1, 24);
  out.writeUInt16LE(maxData / pageBytes, 28);
  return out;
}

/** fuse_attr_out of a plain file, to be asked for anew each time. */
export function attributesBody(size: bigint): Buffer {
  const out = Buffer.alloc(104);
  out.writeBigUInt64LE(1n, 16);
  out.writeBigUInt64LE(size, 24);
  out.writeUInt32LE(regularFile, 76);
  out.writeUInt32LE(1, 80);
  out.writeUInt32LE(pageBytes, 96);
  return out;
}

/** fuse_open_out. */
export function openBody(): Buffer {
  const out = Buffer.alloc(16);
  out.writeUInt32LE(directIo, 8);
  return out;
}

export interface Stretch {
  readonly offset: number;
  readonly length: number;
}

/** Of fuse_read_in and fuse_write_in, which begin alike. */
export function stretchOf({ body }: FuseRequest): Stretch {
  return { offset: Number(body.readBigUInt64LE(8)), length: body.readUInt32LE(16) };
}

/** What is to be written. */
export function dataOf({ body }: FuseRequest): Buffer {
  return body.subarray(writeHead);
}

/** fuse_write_out. */
export function writtenBody(bytes: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeUInt32LE(bytes, 0);
  return out;
}
