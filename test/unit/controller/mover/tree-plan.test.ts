import { describe, expect, test } from 'vitest';
import {
  bulkCopy,
  comparison,
  daemon,
  type Found,
  flush,
  originAt,
  progressIn,
  requireComplete,
  sync,
} from '../../../../controller/mover/tree/plan.ts';

const plan = {
  source: '/source',
  destination: '/destination',
  found: 'copied' as Found,
  holesFromAfar: false,
  user: 0,
  order: { preallocation: false, bandwidth: 0n },
};
type Plan = typeof plan;

const argsOf = (over: Partial<Plan> = {}): readonly string[] => sync({ ...plan, ...over }).args;

describe('rsync', () => {
  test('reads again what an earlier attempt has left, and only then', () => {
    expect(argsOf({ found: 'left' })).toContain('--checksum');
    expect(argsOf({ found: 'left' })).not.toContain('--size-only');
    expect(argsOf({ found: 'copied' })).toContain('--size-only');
    for (const found of ['nothing', 'copied'] as const) expect(argsOf({ found })).not.toContain('--checksum');
    expect(argsOf({ found: 'nothing' })).not.toContain('--size-only');
  });

  test('leaves holes, unless every block is to be allocated', () => {
    expect(argsOf()).toContain('--sparse');
    const allocated = argsOf({ order: { ...plan.order, preallocation: true } });
    expect(allocated).toContain('--preallocate');
    expect(allocated).not.toContain('--sparse');
  });

  test('has zeros that stand for holes go over the network as next to nothing, unless that would be no limit', () => {
    const compressed = '--compress-choice=lz4';
    expect(argsOf({ holesFromAfar: true })).toContain(compressed);
    expect(argsOf()).not.toContain(compressed);
    expect(argsOf({ holesFromAfar: true, order: { ...plan.order, bandwidth: 1n } })).not.toContain(compressed);
  });

  test.each([
    [1n, '--bwlimit=1024B'],
    [1_500_000n, '--bwlimit=1500000B'],
  ])('is limited to %d bytes per second by %s', (bandwidth, flag) => {
    expect(argsOf({ order: { ...plan.order, bandwidth } })).toContain(flag);
  });

  test('is not limited where nobody wants it', () => {
    expect(argsOf().filter((arg) => arg.startsWith('--bwlimit'))).toEqual([]);
  });

  test.each([
    ['gives a file to the number of its owner, who may have another name here', '--numeric-ids'],
    ['takes a time for another one by a nanosecond', '--modify-window=-1'],
    ['tells its progress of all files', '--info=progress2'],
    ['tells it in digits only', '--no-human-readable'],
    ['tells it when it is made, not when a buffer is full', '--outbuf=N'],
  ])('%s: %s', (_, flag) => {
    expect(argsOf()).toContain(flag);
  });

  test('names what still differs, and how', () => {
    expect(comparison(plan).args).toContain('--out-format=%i %n%L');
    expect(comparison(plan).args).toContain('--numeric-ids');
  });

  test('copies and compares the same: never devices, lost+found or labels', () => {
    for (const args of [argsOf(), comparison(plan).args]) {
      expect(args).toEqual(
        expect.arrayContaining([
          '-aHAX',
          '--no-devices',
          '--delete',
          '--exclude=/lost+found',
          '--filter=-x security.selinux',
        ]),
      );
      expect(args.slice(-3)).toEqual(['--', '/source/', '/destination/']);
    }
    expect(comparison(plan).args).toContain('--dry-run');
  });

  test('keeps to the attributes that a user may set', () => {
    expect(argsOf({ user: 107 })).toEqual(expect.arrayContaining(['--filter=+x user.*', '--filter=-x *']));
    // Root's ACLs go as ACLs, and a pod has no right to what is trusted.
    expect(argsOf()).toEqual(expect.arrayContaining(['--filter=-x system.*', '--filter=-x trusted.*']));
  });

  test('says how far it is', () => {
    expect(
      progressIn('\r              3   0%    0.00kB/s    0:00:00  \r     104857600  98%  158.39MB/s    0:00:00 (xfr#1)'),
    ).toBe(104_857_600n);
    expect(progressIn('created directory 7 50%x')).toBeUndefined();
  });

  test('has not done all when it says that it left something out', () => {
    expect(() => requireComplete('')).not.toThrow();
    expect(() => requireComplete('\nskipping non-regular file "null"\n')).toThrow('null');
  });
});

test('cp is given names with NULs behind them by xargs, and is not run for none', () => {
  const { program, args } = bulkCopy('/destination', { preallocation: false });
  expect([program, ...args].join(' ')).toMatch(/^xargs -0 -r cp /u);
  expect(args).toContain('--target-directory=/destination');
});

test('cp follows no link, and keeps all that rsync does not keep better', () => {
  const { args } = bulkCopy('/destination', { preallocation: false });
  expect(args).toEqual(expect.arrayContaining(['-dR', '--preserve=mode,ownership,timestamps,links']));
});

test('what is flushed is the file system of the destination, whatever it is called', () => {
  expect(flush('-x')).toEqual({ program: 'sync', args: ['-f', '--', '-x'] });
});

test('cp makes holes or none, and takes names as they are', () => {
  expect(bulkCopy('/destination', { preallocation: false }).args).toContain('--sparse=always');
  expect(bulkCopy('/destination', { preallocation: true }).args).toContain('--sparse=never');
  expect(bulkCopy('/destination', { preallocation: false }).args.at(-1)).toBe('--');
});

describe("rsync's daemon", () => {
  const plan = { source: '/source', config: '/app/rsyncd.conf', user: 0 };

  test('stays root in a pod, where it reads what belongs to others, and locks itself in', () => {
    expect(daemon(plan)).toEqual({
      program: 'rsync',
      args: [
        '--server',
        '--daemon',
        '--config=/app/rsyncd.conf',
        '--dparam=path=/source',
        '--dparam=uid=0',
        '--dparam=gid=0',
        '--dparam=use chroot=yes',
        '.',
      ],
    });
  });

  test('is as another user what it is', () => {
    const { args } = daemon({ ...plan, user: 107 });
    expect(args).toContain('--dparam=use chroot=no');
    expect(args.join(' ')).not.toMatch(/[ug]id=/u);
  });

  test('is read from by a port of this pod', () => {
    const { args } = sync({
      destination: '/destination',
      user: 0,
      found: 'nothing',
      holesFromAfar: false,
      source: originAt(7),
      order: { preallocation: false, bandwidth: 0n },
    });
    expect(args.slice(-3)).toEqual(['--', 'rsync://127.0.0.1:7/source/', '/destination/']);
    // What it cannot read is to be told at this end.
    expect(args).toContain('--stderr=client');
  });
});
