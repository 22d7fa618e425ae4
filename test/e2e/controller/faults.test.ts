import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateStampKeys } from '../../../shared/trust/keys.ts';
import { type Cluster, startCluster } from '../../support/cluster/index.ts';
import { installController } from '../../support/controller.ts';
import { type PaperNode, startPaperNode } from '../../support/paper-node.ts';
import type { Interference, Meddler, Write } from './interposer.ts';
import { Lane } from './lane.ts';
import { type Shape, shapes } from './shapes.ts';

/**
 * Whatever happens at whatever write of whatever clone: the clone ends right or is gone, its bytes are those of the source, the source is
 * untouched, and nothing is left over. The writes are not listed here: an interposer before the API server sees them.
 */

let cluster: Cluster;
let node: PaperNode;
let lanes: readonly Lane[] = [];
/** Writes of each shape, in order. */
const writesOf = new Map<Shape, readonly string[]>();

const laneCount = 6;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'storage', name: 'faults' });
  const keys = await generateStampKeys();
  await installController(cluster);
  node = await startPaperNode(cluster);
  // Slow enough for the status to say what the storage is doing, so that all clones of a shape make the same writes.
  const faults = cluster.faults('reflink');
  await faults.set('CreateVolume', { mode: 'delay', ms: 300, source: 'any' });
  await faults.set('CreateSnapshot', { mode: 'delay', ms: 300 });
  lanes = await Promise.all(
    Array.from({ length: laneCount }, async (_, index) => Lane.open(cluster, keys, `lane-${index}`)),
  );
  await everywhere(shapes, async (lane, shape) => void writesOf.set(shape, await writesIn(lane, shape)));
}, 180_000);
afterAll(async () => {
  await node.stop();
  for (const lane of lanes) await lane.close();
  await cluster.stop();
});

/** All of them, as many at a time as there are lanes. @returns what went wrong, and where. */
async function everywhere<T>(
  cases: readonly T[],
  carryOut: (lane: Lane, one: T) => Promise<void>,
): Promise<readonly string[]> {
  const failures: string[] = [];
  const left = [...cases];
  const drive = async (lane: Lane): Promise<void> => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) {
      try {
        await carryOut(lane, one);
      } catch (error) {
        const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
        failures.push(`${describe(one)}: ${(error as Error).message}${cause}`);
      } finally {
        lane.meddler = {};
      }
    }
  };
  await Promise.all(lanes.map(drive));
  return failures;
}

function describe(one: unknown): string {
  const { shape, nth, moment } = one as Partial<At>;
  if (shape === undefined || nth === undefined) return (one as Shape).name;
  return `${shape.name}, ${moment ?? 'at'} write ${nth} (${writesOf.get(shape)?.[nth - 1] ?? 'unknown'})`;
}

/** One clone without any fault. */
async function writesIn(lane: Lane, shape: Shape): Promise<readonly string[]> {
  const writes: string[] = [];
  lane.meddler = {
    before: async ({ name }) => {
      writes.push(name.replaceAll(/clonegate-[0-9a-f-]+|pvc-[0-9a-f-]+/g, '…'));
      return undefined;
    },
  };
  const name = await lane.begin(shape);
  await lane.expectDone(shape, name);
  await lane.remove(name);
  return writes;
}

interface At {
  readonly shape: Shape;
  readonly nth: number;
  readonly moment: 'before' | 'after';
}

const moments = ['before', 'after'] as const;

function everyWrite(of: readonly At['moment'][]): readonly At[] {
  return shapes.flatMap((shape) =>
    (writesOf.get(shape) ?? []).flatMap((_, index) => of.map((moment) => ({ shape, nth: index + 1, moment }))),
  );
}

/** Does something once, at the n-th write; `struck` resolves when it was done. */
function strike({ nth, moment }: At, act: (write: Write) => Promise<Interference | undefined>) {
  const { promise: struck, resolve } = Promise.withResolvers<void>();
  let count = 0;
  const meddle = async (write: Write): Promise<Interference | undefined> => {
    count += 1;
    if (count !== nth) return undefined;
    const interference = await act(write);
    resolve();
    return interference;
  };
  const meddler: Meddler = moment === 'before' ? { before: meddle } : { after: meddle };
  return { meddler, struck };
}

test('every shape makes writes, and not too many', () => {
  const counts = Object.fromEntries([...writesOf].map(([{ name }, writes]) => [name, writes.length]));

  console.info(counts, Object.fromEntries([...writesOf].map(([{ name }, writes]) => [name, writes])));
  expect(writesOf.size).toBe(shapes.length);
  for (const [shape, writes] of writesOf) expect(writes.length).toBeLessThanOrEqual(shape.elsewhere ? 16 : 9);
});

test('killed before and after every write, the controller finishes every clone when it is back', async () => {
  const failures = await everywhere(everyWrite(moments), async (lane, at) => {
    const { meddler, struck } = strike(at, async () => {
      await lane.controller.process.kill();
      return 'lose';
    });
    lane.meddler = meddler;
    const name = await lane.begin(at.shape);
    await struck;
    lane.meddler = {};
    await lane.revive();
    await lane.expectDone(at.shape, name);
    await lane.remove(name);
  });

  expect(failures).toEqual([]);
}, 240_000);
