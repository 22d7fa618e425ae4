import { expect, test } from 'vitest';
import { parseMounts } from '../../../support/csi/mounttable.ts';

const table = `22 28 0:20 / /proc rw,nosuid shared:5 - proc proc rw
90 28 7:0 / /var/lib/my\\040pool ro,noatime shared:12 master:3 - xfs /dev/loop0 rw,nouuid
91 28 0:5 /loop1 /var/lib/back\\134slash rw - devtmpfs udev rw
`;

test('a mount table is read with its optional fields, its escapes and its flags', () => {
  expect(parseMounts(table)).toEqual([
    { target: '/proc', source: 'proc', fsType: 'proc', readonly: false },
    { target: '/var/lib/my pool', source: '/dev/loop0', fsType: 'xfs', readonly: true },
    { target: '/var/lib/back\\slash', source: 'udev', fsType: 'devtmpfs', readonly: false },
  ]);
});
