import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { kinds, Simulation } from '../../../support/simulation/index.ts';
import { deleted, finished } from './disturbed.ts';

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
  });

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
  });
});
