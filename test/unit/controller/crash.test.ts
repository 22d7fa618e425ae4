import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KubeObject, Stored } from '../../../shared/api/objects.ts';
import { claims, pods, type Resource, volumeSnapshots } from '../../../shared/kube/resource.ts';
import { bytes, type Kind, kinds, nameOfKind, Simulation } from '../../support/simulation/index.ts';

/** Whatever is interrupted wherever it may be: in the end it is as if nothing had happened. The writes are counted, not listed. */

const rowsOf = (some: readonly Kind[]) => some.map((kind) => ({ kind, name: nameOfKind(kind) }));
const all = rowsOf(kinds);
/** Only what grows differs by what is in it. */
const distinct = rowsOf(kinds.filter(({ larger, mode }) => larger || mode === 'Filesystem'));
/** One of each way with all that can happen on it. */
const longest = rowsOf(kinds.filter(({ larger, mode, late }) => larger && mode === 'Filesystem' && late));

const temporaryKinds: readonly Resource<KubeObject>[] = [claims, volumeSnapshots, pods];
const sourceVolume = { policy: 'Delete', noted: undefined, content: bytes };
const nothing = { snapshots: [], pods: [], markedVolumes: [] };

function finished({ larger }: Kind) {
  return {
    ...nothing,
    phase: 'Succeeded',
    finalizers: [],
    target: { phase: 'Bound', capacity: { storage: larger ? '2Gi' : '1Gi' }, content: bytes },
    claims: ['source', 'target'],
    volumes: [sourceVolume, sourceVolume],
  };
}

/** Each made once: what is copied of a snapshot is restored before. */
function volumesFor({ strategy, from }: Kind): number {
  return strategy === 'copy' && from === 'VolumeSnapshot' ? 2 : 1;
}

const deleted = { ...nothing, phase: undefined, target: undefined, claims: ['source'], volumes: [sourceVolume] };

interface Pace {
  readonly slow: boolean;
}

async function simulate(kind: Kind, { slow }: Pace): Promise<Simulation> {
  const simulation = await Simulation.of(kind);
  simulation.slow = slow;
  return simulation;
}

/** How many writes a clone takes that nobody disturbs. */
async function writesOf(kind: Kind, pace: Pace): Promise<number> {
  const simulation = await simulate(kind, pace);
  await simulation.settle();
  return simulation.writes.length;
}

/**
 * What comes of a controller that dies at each write, once before it is carried out and once before it knows that it was.
 * @returns how many died.
 */
async function killAtEachWrite(kind: Kind, pace: Pace): Promise<number> {
  const count = await writesOf(kind, pace);
  for (const when of ['before', 'after'] as const) {
    for (let nth = 1; nth <= count; nth += 1) {
      const simulation = await simulate(kind, pace);
      simulation.onWrite = (at, moment) => {
        if (at === nth && moment === when) Simulation.death();
      };

      await simulation.settle();

      expect(simulation.outcome(), `${when} write ${nth}`).toMatchObject(finished(kind));
      expect(simulation.storage.made, `${when} write ${nth}`).toHaveLength(volumesFor(kind));
      // At most one more than otherwise: that which was lost, or that by which it is found out that it was not.
      expect(simulation.writes.length, `${when} write ${nth}`).toBeLessThanOrEqual(count + 1);
    }
  }
  return 2 * count;
}

/** @returns how many were deleted. */
async function deleteAfterEachWrite(kind: Kind, pace: Pace): Promise<number> {
  const count = await writesOf(kind, pace);
  for (let nth = 1; nth <= count; nth += 1) {
    const simulation = await simulate(kind, pace);
    simulation.onWrite = async (at, moment) => {
      if (at === nth && moment === 'after') await simulation.deleteVolume();
    };

    await simulation.settle();

    expect(simulation.outcome(), `after write ${nth}`).toMatchObject(deleted);
  }
  return count;
}

describe('a clone', () => {
  test.each(all)('$name: comes to its end, and has the bytes of its source', async ({ kind }) => {
    const simulation = await Simulation.of(kind);

    await simulation.settle();

    expect(simulation.outcome()).toMatchObject(finished(kind));
    expect(simulation.storage.made).toHaveLength(volumesFor(kind));
  });
});

describe('a controller that is killed', () => {
  test.each(distinct)('$name: at any write, leaves all that its successor needs', async ({ kind }) => {
    expect(await killAtEachWrite(kind, { slow: false })).toBeGreaterThanOrEqual(8);
  });

  test.each(longest)('$name: at any write, with storage that takes its time', async ({ kind }) => {
    expect(await killAtEachWrite(kind, { slow: true })).toBeGreaterThanOrEqual(8);
  });
});

describe('a controller that was cut off', () => {
  const ways = distinct.filter(
    ({ kind: { elsewhere, from, strategy } }) => elsewhere || (strategy === 'snapshot' && from !== 'VolumeSnapshot'),
  );

  test.each(ways)('$name: may make things once more when all is done, and nothing of them stays', async ({ kind }) => {
    const simulation = await simulate(kind, { slow: true });
    const made = new Map<Resource<KubeObject>, Stored<KubeObject>>();
    simulation.onWrite = () => {
      for (const resource of temporaryKinds) {
        const child = simulation.storage.api
          .all(resource)
          .find(({ metadata }) => metadata.name.startsWith('clonegate-'));
        if (child !== undefined && !made.has(resource)) made.set(resource, child);
      }
    };
    await simulation.settle();
    simulation.onWrite = () => undefined;
    expect(made.size).toBeGreaterThan(0);

    for (const [resource, child] of made) await simulation.storage.api.client().create(resource, child);
    await simulation.settle();

    expect(simulation.outcome()).toMatchObject(finished(kind));
  });
});

describe('a copy that fails', () => {
  const copies = rowsOf(
    kinds.filter(({ strategy, mode, larger }) => strategy === 'copy' && mode === 'Block' && !larger),
  );

  /** Two tries come to nothing, and the third is whole. */
  async function failing(kind: Kind, pace: Pace): Promise<Simulation> {
    const simulation = await simulate(kind, pace);
    simulation.storage.copyFailures = 2;
    return simulation;
  }

  test.each(copies)('$name: is begun anew, on a new volume each time, and comes to its end', async ({ kind }) => {
    const simulation = await failing(kind, { slow: true });

    await simulation.settle();

    expect(simulation.outcome()).toMatchObject(finished(kind));
    expect(simulation.volume?.status).toMatchObject({ restartCount: 2 });
    const blank = simulation.writes.filter((write) => /^create persistentvolumeclaims \w+\/clonegate$/.test(write));
    expect(blank).toHaveLength(3);
  });

  test.each(copies)('$name: is counted once and no more, whenever its controller is killed', async ({ kind }) => {
    const undisturbed = await failing(kind, { slow: false });
    await undisturbed.settle();
    const count = undisturbed.writes.length;
    for (const when of ['before', 'after'] as const) {
      for (let nth = 1; nth <= count; nth += 1) {
        const simulation = await failing(kind, { slow: false });
        simulation.onWrite = (at, moment) => {
          if (at === nth && moment === when) Simulation.death();
        };

        await simulation.settle();

        expect(simulation.outcome(), `${when} write ${nth}`).toMatchObject(finished(kind));
        expect(simulation.volume?.status, `${when} write ${nth}`).toMatchObject({ restartCount: 2 });
        expect(simulation.writes.length, `${when} write ${nth}`).toBeLessThanOrEqual(count + 1);
      }
    }
    expect(count).toBeGreaterThan(15);
  });

  // A first consumer in the simulation never rests.
  test.each(copies.filter(({ kind }) => !kind.late))(
    '$name: more often than it may, leaves nothing but a target claim without a volume',
    async ({ kind }) => {
      const simulation = await simulate(kind, { slow: false });
      simulation.storage.copyFailures = 99;

      await simulation.settle();

      expect(simulation.volume?.status).toMatchObject({
        phase: 'Failed',
        restartCount: 4,
        conditions: expect.arrayContaining([expect.objectContaining({ type: 'Running', reason: 'CopyIOError' })]),
      });
      const { target, pods, volumes } = simulation.outcome();
      expect(target?.content).toBeUndefined();
      expect(pods).toEqual([]);
      expect(volumes.map(({ content }) => content)).not.toContain('half of it');
    },
  );
});

describe('a DataVolume that is deleted', () => {
  test.each(distinct)('$name: after any write, takes everything along but its source', async ({ kind }) => {
    expect(await deleteAfterEachWrite(kind, { slow: false })).toBeGreaterThanOrEqual(4);
  });

  test.each(longest)('$name: after any write, with storage that takes its time', async ({ kind }) => {
    expect(await deleteAfterEachWrite(kind, { slow: true })).toBeGreaterThanOrEqual(4);
  });
});

describe('a volume that has been handed over', () => {
  const elsewhere = rowsOf(kinds.filter((kind) => kind.elsewhere && (kind.larger || kind.mode === 'Filesystem')));
  const handedOver = (write: string | undefined): boolean => write?.startsWith('patch persistentvolumes for') === true;

  test.each(elsewhere)('$name: is not lost with any claim, nor with the source', async ({ kind }) => {
    const simulation = await Simulation.of(kind);
    simulation.slow = true;
    let struck = false;
    simulation.onWrite = async (nth, when) => {
      if (struck || when === 'before' || !handedOver(simulation.writes[nth - 1])) return;
      struck = true;
      simulation.remove(simulation.targetClaim);
      simulation.remove(simulation.temporaryClaim);
      simulation.removeSource();
      await simulation.storage.programs.binder();
    };

    await simulation.settle();

    expect(simulation.storage.made).toHaveLength(volumesFor(kind));
    expect(simulation.outcome()).toMatchObject({ ...finished(kind), claims: ['target'], volumes: [sourceVolume] });
  });
});

/** What may happen at any moment, in any order: watches that lag behind each other, programs, deaths, and hands that meddle. */
type Event = (simulation: Simulation) => void | Promise<void>;

const events: Readonly<Record<string, Event>> = {
  pass: async (simulation) => simulation.pass(),
  'sees the DataVolume': ({ sync }) => sync.volumes(),
  'sees claims': ({ sync }) => sync.claims(),
  'sees volumes': ({ sync }) => sync.persistentVolumes(),
  'sees snapshots': ({ sync }) => sync.snapshots(),
  'sees pods': ({ sync }) => sync.pods(),
  provisioner: async ({ storage }) => storage.programs.provisioner(),
  binder: async ({ storage }) => storage.programs.binder(),
  snapshotter: async ({ storage }) => storage.programs.snapshotter(),
  resizer: async ({ storage }) => storage.programs.resizer(),
  node: async ({ storage }) => storage.programs.node(),
  consumer: async (simulation) => simulation.consume(),
  'the next copy fails': ({ storage }) => {
    storage.copyFailures = Math.min(storage.copyFailures + 1, 2);
  },
  'controller dies': (simulation) => simulation.kill(),
  'controller dies at its next write': (simulation) => {
    const next = simulation.writes.length + 1;
    simulation.onWrite = (nth, when) => {
      if (nth === next && when === 'after') Simulation.death();
    };
  },
};

/** A long while must pass until a store that never showed a write is not waited for any more. */
const meddling: Readonly<Record<string, Event>> = {
  'target claim is deleted': (simulation) => {
    // Success is final: what its user deletes then is not made again.
    if (simulation.volume?.status?.phase !== 'Succeeded') simulation.remove(simulation.targetClaim);
  },
  'temporary claim is deleted': (simulation) => simulation.remove(simulation.temporaryClaim),
};

const happenings = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('pass') },
    { weight: 12, arbitrary: fc.constantFrom(...Object.keys(events)) },
    { weight: 1, arbitrary: fc.constantFrom(...Object.keys(meddling)) },
  ),
  { minLength: 20, maxLength: 120 },
);

describe('whatever happens in whatever order', () => {
  const anyKind = fc.constantFrom(...kinds);
  /** The property is about order, not about numbers: shrinking finds the shortest story. */
  const options = { numRuns: 60 };

  test('the clone comes to its end afterwards', async () => {
    await fc.assert(
      fc.asyncProperty(anyKind, happenings, async (kind, story) => {
        const simulation = await Simulation.of(kind);
        for (const happening of story) await (events[happening] ?? meddling[happening])?.(simulation);
        simulation.onWrite = () => undefined;
        await simulation.settle();
        expect(simulation.outcome()).toMatchObject(finished(kind));
      }),
      options,
    );
  }, 60_000);

  test('a deletion takes everything along but the source', async () => {
    await fc.assert(
      fc.asyncProperty(anyKind, happenings, async (kind, story) => {
        const simulation = await Simulation.of(kind);
        for (const happening of story) await (events[happening] ?? meddling[happening])?.(simulation);
        simulation.onWrite = () => undefined;
        await simulation.deleteVolume();
        await simulation.settle();
        expect(simulation.outcome()).toMatchObject(deleted);
      }),
      options,
    );
  }, 60_000);
});
