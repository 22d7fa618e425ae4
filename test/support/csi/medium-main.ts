import { spawnSync } from 'node:child_process';
import { fstatSync, fsyncSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { isErrno } from './errors.ts';
import { type Medium, parseMedium } from './faultfile.ts';
import {
  answer,
  attributesBody,
  dataOf,
  type FuseRequest,
  fuseCodes,
  initBody,
  maxData,
  openBody,
  parseRequest,
  requestBytes,
  type Stretch,
  stretchOf,
  writtenBody,
} from './fuse.ts';

/**
 * A storage medium that breaks when it is told to: lies on a file as a file system of one file with the same bytes, and answers reads and
 * writes with EIO where the faults file says so at that moment.
 *
 *     node medium-main.ts FILE FAULTS
 *
 * It ends when it is unmounted. One request after the other and nothing beside: reading from /dev/fuse blocks.
 */
const [file = '', faults = ''] = process.argv.slice(2);
const { EIO, ENOSYS } = constants.errno;

const backing = openSync(file, 'r+');
const kernel = openSync('/dev/fuse', 'r+');
lay();
const requests = Buffer.alloc(requestBytes);
const data = Buffer.alloc(maxData);
for (let request = next(); request !== undefined; request = next()) serve(request);

/** mount(8) without the helper of that file system, which has nothing to add. */
function lay(): void {
  const options = 'fd=3,rootmode=100000,user_id=0,group_id=0';
  const args = ['--internal-only', '--types=fuse', `--options=${options}`, 'medium', file];
  const { status } = spawnSync('mount', args, { stdio: ['ignore', 'inherit', 'inherit', kernel] });
  if (status !== 0) process.exit(1);
}

/** @returns undefined when it is mounted no more. */
function next(): FuseRequest | undefined {
  for (;;) {
    try {
      return parseRequest(requests.subarray(0, readSync(kernel, requests)));
    } catch (error) {
      if (isErrno(error, 'ENODEV')) return undefined;
      // Who asked has given up meanwhile.
      if (!isErrno(error, 'ENOENT') && !isErrno(error, 'EINTR')) throw error;
    }
  }
}

function serve(request: FuseRequest): void {
  switch (request.code) {
    case fuseCodes.init:
      return reply(request, 0, initBody(request));
    case fuseCodes.getattr:
      return reply(request, 0, attributesBody(fstatSync(backing, { bigint: true }).size));
    case fuseCodes.open:
      return reply(request, 0, openBody());
    case fuseCodes.read:
      return carryOut(request, 'readsFrom', ({ offset, length }) =>
        data.subarray(0, readSync(backing, data, 0, length, offset)),
      );
    case fuseCodes.write:
      return carryOut(request, 'writesFrom', ({ offset, length }) =>
        writtenBody(writeSync(backing, dataOf(request), 0, length, offset)),
      );
    case fuseCodes.fsync:
      fsyncSync(backing);
      return reply(request, 0);
    case fuseCodes.flush:
    case fuseCodes.release:
      return reply(request, 0);
    // These want no answer.
    case fuseCodes.forget:
    case fuseCodes.batchForget:
    case fuseCodes.interrupt:
      return undefined;
    default:
      return reply(request, ENOSYS);
  }
}

function carryOut(request: FuseRequest, kind: keyof Medium, work: (stretch: Stretch) => Buffer): void {
  const stretch = stretchOf(request);
  const from = medium()[kind] ?? Number.POSITIVE_INFINITY;
  if (stretch.offset + stretch.length > from) return reply(request, EIO);
  try {
    reply(request, 0, work(stretch));
  } catch (error) {
    process.stderr.write(`the medium at ${file}: ${String(error)}\n`);
    reply(request, EIO);
  }
}

function reply(request: FuseRequest, errno: number, body?: Buffer): void {
  writeSync(kernel, answer(request, errno, body));
}

/** As the faults file has it now; without one, all is well. */
function medium(): Medium {
  try {
    return parseMedium(readFileSync(faults, 'utf8')) ?? {};
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return {};
    throw error;
  }
}
