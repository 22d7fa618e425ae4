import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { listSnapshots } from '../../../support/csi/listing.ts';

const snapshot = (id: string, sourceVolumeId = 'v') => ({ id, sourceVolumeId, sizeBytes: 4096, createdAt: 1_500 });
const ask = (wish: object) => ({ snapshotId: '', sourceVolumeId: '', startingToken: '', maxEntries: 0, ...wish });
const idsOf = (answer: object) =>
  (answer as { entries: { snapshot: { snapshotId: string } }[] }).entries.map((entry) => entry.snapshot.snapshotId);

test('a snapshot is told with its moment and its size', () => {
  expect(listSnapshots([snapshot('a')], ask({}))).toEqual({
    entries: [
      {
        snapshot: {
          snapshotId: 'a',
          sourceVolumeId: 'v',
          sizeBytes: '4096',
          creationTime: { seconds: '1', nanos: 500_000_000 },
          readyToUse: true,
        },
      },
    ],
    nextToken: '',
  });
});

test('pages follow each other, also when the last one seen is removed in between', () => {
  const all = ['a', 'b', 'c', 'd', 'e'].map((id) => snapshot(id));
  const first = listSnapshots(all, ask({ maxEntries: 2 }));
  expect([idsOf(first), first]).toEqual([['a', 'b'], expect.objectContaining({ nextToken: 'after:b' })]);
  const rest = listSnapshots(
    all.filter(({ id }) => id !== 'b'),
    ask({ startingToken: 'after:b' }),
  );
  expect([idsOf(rest), rest]).toEqual([['c', 'd', 'e'], expect.objectContaining({ nextToken: '' })]);
});

test('only those of the wanted id and volume are listed', () => {
  const all = [snapshot('a', 'v'), snapshot('b', 'w'), snapshot('c', 'w')];
  expect(idsOf(listSnapshots(all, ask({ sourceVolumeId: 'w' })))).toEqual(['b', 'c']);
  expect(idsOf(listSnapshots(all, ask({ snapshotId: 'b' })))).toEqual(['b']);
  expect(idsOf(listSnapshots(all, ask({ snapshotId: 'b', sourceVolumeId: 'v' })))).toEqual([]);
});

test('a token that is none of ours is refused', () => {
  const list = () => listSnapshots([], ask({ startingToken: 'invalid' }));
  expect(list).toThrow(expect.objectContaining({ code: status.ABORTED }));
});
