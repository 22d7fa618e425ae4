import { describe, expect, test } from 'vitest';
import {
  conversion,
  type ImageFacts,
  inspection,
  progressIn,
  requireRoom,
  reservation,
  serving,
  sizeFrom,
  sizeWanted,
} from '../../../../controller/mover/image/plan.ts';

const file: ImageFacts = { isDevice: false, direct: true };
const device: ImageFacts = { isDevice: true, direct: true };
const order = { preallocation: false, bandwidth: 0n };

function argsOf(destination: ImageFacts, over: Partial<typeof order> = {}, source = device): string {
  return conversion({ source, destination, order: { ...order, ...over } }).args.join(' ');
}

describe('qemu-img', () => {
  test('is told the format by every command, and never looks for it', () => {
    for (const { args } of [inspection, reservation(1n), conversion({ source: file, destination: file, order })])
      expect(args.join(' ')).toContain('-f raw');
    expect(argsOf(file)).toContain('-O raw');
  });

  test('works on the images that are open already, and looks for none by name', () => {
    expect(inspection.args.at(-1)).toBe('/proc/self/fd/3');
    expect(argsOf(file)).toMatch(/ \/proc\/self\/fd\/4 \/proc\/self\/fd\/3$/u);
    // -n: into the image that there is.
    expect(argsOf(file)).toMatch(/^convert (?:.* )?-n /u);
  });

  test('tells sizes for programs, and its progress', () => {
    expect(inspection.args.slice(0, 1)).toEqual(['info']);
    expect(inspection.args).toContain('--output=json');
    expect(argsOf(file)).toContain(' -p ');
  });

  test('reserves every block of the open file, and writes none', () => {
    const { program, args } = reservation(1_048_577n);
    expect([program, ...args].join(' ')).toBe(
      'qemu-img create -q -f raw -o preallocation=falloc /proc/self/fd/3 1048577',
    );
  });

  test('takes for zeros only what a new file holds', () => {
    expect(argsOf(file)).toContain('--target-is-zero');
    expect(argsOf(file, { preallocation: true })).toContain('--target-is-zero');
    expect(argsOf(device)).not.toContain('--target-is-zero');
    expect(argsOf(device, { preallocation: true })).not.toContain('--target-is-zero');
  });

  test('writes zeros out where a device is to allocate, and nowhere else', () => {
    expect(argsOf(device, { preallocation: true })).toContain('-S 0');
    for (const args of [argsOf(device), argsOf(file), argsOf(file, { preallocation: true })])
      expect(args).not.toMatch(/-S/);
  });

  test('has several writes under way, whatever the destination is', () => {
    expect(
      [argsOf(device), argsOf(file, { preallocation: true }), argsOf(file)].map((args) => / -W /.test(args)),
    ).toEqual([true, true, true]);
  });

  test('goes past the page cache on each side that can', () => {
    expect(argsOf(file)).toContain('-T none -t none');
    expect(argsOf(file, {}, { isDevice: false, direct: false })).toContain('-T writeback -t none');
    expect(argsOf({ isDevice: false, direct: false })).toContain('-T none -t writeback');
  });

  test('is limited where a limit is given', () => {
    expect(argsOf(file, { bandwidth: 1_500_000n })).toContain('-r 1500000');
    expect(argsOf(file)).not.toContain('-r ');
  });

  test('says sizes exactly, also those that numbers of JSON do not hold', () => {
    expect(sizeFrom('{\n  "virtual-size": 9223372036854775807,\n  "filename": "x"}')).toBe(2n ** 63n - 1n);
    expect(() => sizeFrom('{"filename": "x"}')).toThrow('no size');
  });

  test('says how far it is', () => {
    expect(progressIn('    (0.00/100%)\r    (12.34/100%)\r')).toBe(1234n);
    expect(progressIn('    (100.00/100%)\r\n')).toBe(10_000n);
    expect(progressIn('    (12.3')).toBeUndefined();
  });
});

describe('an image of another pod', () => {
  test('is read by qemu-img as raw bytes of the one export, from this machine, whence a connection leads there', () => {
    const remote = { port: 40_001 };
    const { args } = conversion({ source: remote, destination: file, order: { ...order, bandwidth: 7n } });
    expect(args).toEqual([
      'convert',
      '-p',
      '-n',
      '-O',
      'raw',
      '-W',
      '--image-opts',
      '-t',
      'none',
      '--target-is-zero',
      '-r',
      '7',
      'driver=raw,file.driver=nbd,file.server.type=inet,file.server.host=127.0.0.1,file.server.port=40001,file.export=source',
      '/proc/self/fd/3',
    ]);
  });

  test('is handed out by qemu-nbd for reading, at a Unix socket, until it is ended', () => {
    expect(serving(file, '/run/nbd')).toEqual({
      program: 'qemu-nbd',
      args: [
        '--read-only',
        '--persistent',
        '--shared=8',
        '--format=raw',
        '--cache=none',
        '--socket=/run/nbd',
        '--export-name=source',
        '/proc/self/fd/3',
      ],
    });
    expect(serving({ ...file, direct: false }, '/run/nbd').args).toContain('--cache=writeback');
  });
});

describe('the size of a copied image', () => {
  test.each([
    [100n, 1n << 30n, 0n, 100n],
    [100n, 1n << 30n, 99n, 100n],
    [100n, 1n << 30n, 101n, 101n],
    [100n, 5n << 20n, 1n << 30n, 5n << 20n],
    [100n, (5n << 20n) + 1n, 1n << 30n, 5n << 20n],
    [100n, 5n, 1n << 30n, 100n],
    [100n, undefined, 101n, 100n],
  ])('of %d bytes, with room for %s, image-size %d, is %d', (size, available, imageSize, wanted) => {
    expect(sizeWanted(size, imageSize, available === undefined ? undefined : { available })).toBe(wanted);
  });

  test('is not nothing', () => {
    expect(() => sizeWanted(0n, 100n, { available: 100n })).toThrow('empty');
  });

  test('has to fit to the byte', () => {
    const room = 2n ** 53n;
    expect(() => requireRoom(room, room, 'it')).not.toThrow();
    expect(() => requireRoom(room + 1n, room, 'it')).toThrow(
      'the disk image has 9007199254740993 bytes and it only 9007199254740992',
    );
  });
});
