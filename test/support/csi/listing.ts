import { status } from '@grpc/grpc-js';
import { CsiError } from './errors.ts';
import type { ListSnapshotsRequest } from './messages.ts';
import type { Snapshot } from './pool.ts';

const TOKEN = /^after:(?<id>.+)$/;

/**
 * One page of the snapshots that the request asks for. The token names the last snapshot of the page before, not a
 * position, so that snapshots removed between two pages make the reader miss none of the others.
 * @param snapshots all of them, ordered by id.
 * @throws CsiError ABORTED for a token that no page ended with.
 */
export function listSnapshots(snapshots: readonly Snapshot[], request: ListSnapshotsRequest): object {
  const after = parseToken(request.startingToken);
  const wanted = snapshots.filter(
    ({ id, sourceVolumeId }) =>
      id > after &&
      (request.snapshotId === '' || id === request.snapshotId) &&
      (request.sourceVolumeId === '' || sourceVolumeId === request.sourceVolumeId),
  );
  const page = request.maxEntries > 0 ? wanted.slice(0, request.maxEntries) : wanted;
  const last = page.at(-1);
  return {
    entries: page.map((snapshot) => ({ snapshot: snapshotMessage(snapshot) })),
    nextToken: last !== undefined && page.length < wanted.length ? `after:${last.id}` : '',
  };
}

export function snapshotMessage({ id, sourceVolumeId, sizeBytes, createdAt }: Snapshot): object {
  return {
    snapshotId: id,
    sourceVolumeId,
    sizeBytes: String(sizeBytes),
    creationTime: { seconds: String(Math.floor(createdAt / 1000)), nanos: (createdAt % 1000) * 1_000_000 },
    readyToUse: true,
  };
}

function parseToken(token: string): string {
  if (token === '') return '';
  const id = TOKEN.exec(token)?.groups?.['id'];
  if (id === undefined)
    throw new CsiError(status.ABORTED, `starting_token ${JSON.stringify(token)} is not one of ours`);
  return id;
}
