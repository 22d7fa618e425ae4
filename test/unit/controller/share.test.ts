import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { labels } from '../../../shared/api/names.ts';
import { Crowd, type Order } from '../../support/simulation/crowd.ts';

/** One snapshot for many clones: it is never too old for one of them, never gone too early, and never left. */

const here: Order = {};
const there: Order = { elsewhere: true };
const late: Order = { late: true };

async function settled(...orders: readonly Order[]): Promise<Crowd> {
  const crowd = await Crowd.of(...orders);
  await crowd.settle();
  return crowd;
}

describe('clones of one source at the same time', () => {
  test.each([
    { name: 'in its namespace', orders: [here, here, here, here, here, here] },
    { name: 'in another', orders: [there, there, there] },
  ])('$name take one snapshot together', async ({ orders }) => {
    const crowd = await settled(...orders);

    expect(crowd.outcome()).toEqual(crowd.finished());
    expect(crowd.taken).toBe(1);
  });

  test('in both take one together, if they come to it together', async () => {
    const crowd = await Crowd.of(there, there);
    crowd.syncAll();
    await crowd.pass(...crowd.ordered.map(({ key }) => key));
    await crowd.order(here);

    await crowd.settle();

    expect(crowd.outcome()).toEqual(crowd.finished());
    expect(crowd.taken).toBe(1);
  });

  test('take one each when they ask for that', async () => {
    const crowd = await settled({ own: true }, { own: true }, { own: true, elsewhere: true });

    expect(crowd.outcome()).toEqual(crowd.finished());
    expect(crowd.taken).toBe(3);
  });

  test('take none with those who have another mind about a source in use', async () => {
    const crowd = await settled(here, { sourceInUse: 'crash-consistent' }, here);

    expect(crowd.outcome()).toEqual(crowd.finished());
    expect(crowd.taken).toBe(2);
  });
});

describe('a clone that comes when a snapshot is being taken', () => {
  /** The first two have asked for theirs. */
  async function asked(): Promise<Crowd> {
    const crowd = await Crowd.of(here, here);
    while (crowd.taken === 0) {
      crowd.syncAll();
      await crowd.pass(...crowd.ordered.map(({ key }) => key));
      await crowd.pause();
    }
    return crowd;
  }

  test('gets none that is older than itself, and waits with others for the next', async () => {
    const crowd = await asked();
    await crowd.order(here);
    await crowd.order(here);

    await crowd.settle();

    expect(crowd.outcome()).toEqual(crowd.finished());
    expect(crowd.taken).toBe(2);
  });

  test('goes on by itself when that one fails', async () => {
    const crowd = await asked();
    const next = await crowd.order(here);
    const [snapshot] = crowd.snapshots;
    const { namespace = '', name = '' } = snapshot?.metadata ?? {};
    await crowd.breakSnapshot({ namespace, name });
    for (let passes = 0; passes < 4; passes += 1) {
      crowd.syncAll();
      await crowd.pass(next);
      await crowd.pause();
    }

    expect(crowd.taken).toBe(2);
  });
});

describe('a snapshot that is shared', () => {
  test('stays for the last who needs it, however long that takes, and then goes', async () => {
    const crowd = await settled(here, late, here);
    expect(crowd.taken).toBe(1);
    expect(crowd.snapshots).toHaveLength(1);
    expect(crowd.volume('golden/copy-1')?.status?.phase).toBe('Succeeded');
    expect(crowd.volume('golden/copy-1')?.metadata.finalizers).toEqual([]);

    await crowd.consume();
    await crowd.settle();

    expect(crowd.outcome()).toEqual(crowd.finished());
  });

  test('stays when the one that took it is deleted, and goes when the last that waits is', async () => {
    const crowd = await settled(late, late);
    const all = crowd.ordered.map(({ key }) => key);
    const [shared] = crowd.snapshots;
    const owner = shared?.metadata.labels?.[labels.ownerUid];
    const taker = all.find((key) => crowd.volume(key)?.metadata.uid === owner) ?? 'nobody';
    const last = all.find((key) => key !== taker) ?? 'nobody';

    await crowd.deleteVolume(taker);
    await crowd.settle();
    expect(crowd.volume(taker)).toBeUndefined();
    expect(crowd.snapshots.map(({ metadata }) => metadata.uid)).toEqual([shared?.metadata.uid]);
    await crowd.deleteVolume(last);
    await crowd.settle();

    expect(crowd.outcome()).toEqual(crowd.finished(taker, last));
  });
});

const group = [here, there, here] as const;

type Blow = (crowd: Crowd) => void | Promise<void>;

/**
 * Strikes at each write in turn, until there is none more: passes run at the same time, and so not always the same writes are made.
 * @returns how often it struck.
 */
async function strikeAtEachWrite(
  when: 'before' | 'after',
  strike: Blow,
  expected: (crowd: Crowd) => object,
): Promise<number> {
  for (let nth = 1; ; nth += 1) {
    const crowd = await Crowd.of(...group);
    let struck = false;
    crowd.onWrite = async (at, moment) => {
      if (at !== nth || moment !== when) return;
      struck = true;
      await strike(crowd);
    };
    await crowd.settle();
    if (!struck) return nth - 1;
    expect(crowd.outcome(), `${when} write ${nth}: ${crowd.writes[nth - 1] ?? ''}`).toEqual(expected(crowd));
  }
}

/** The least that clones of which two go into the same and one into another namespace have to write. */
const least = 20;

describe('whatever becomes of one of those who share', () => {
  test.each(['before', 'after'] as const)('the controller may die %s any write', async (when) => {
    expect(await strikeAtEachWrite(when, Crowd.death, (crowd) => crowd.finished())).toBeGreaterThan(least);
  });

  test.each([0, 1, 2])('clone %i may be deleted after any write', async (which) => {
    const keyIn = ({ ordered }: Crowd): string => ordered[which]?.key ?? '';
    const strikes = await strikeAtEachWrite(
      'after',
      async (crowd) => crowd.deleteVolume(keyIn(crowd)),
      (crowd) => crowd.finished(keyIn(crowd)),
    );

    expect(strikes).toBeGreaterThan(least);
  });

  test('the snapshot itself may be deleted after any write', async () => {
    const strikes = await strikeAtEachWrite(
      'after',
      (crowd) => crowd.removeSnapshot(),
      (crowd) => crowd.finished(),
    );

    expect(strikes).toBeGreaterThan(least);
  });
});

type Happening = (crowd: Crowd, which: number) => void | Promise<unknown>;

const keyOf = ({ ordered }: Crowd, which: number): string => ordered[which % ordered.length]?.key ?? '';

/** What may happen at any moment, in any order, to any of them. */
const happenings: Readonly<Record<string, Happening>> = {
  pass: async (crowd, which) => crowd.pass(keyOf(crowd, which)),
  'some passes': async (crowd, which) => crowd.pass(...new Set([keyOf(crowd, which), keyOf(crowd, which + 1)])),
  'all passes': async (crowd) => crowd.pass(...crowd.ordered.map(({ key }) => key)),
  'sees DataVolumes': ({ sync }) => sync.volumes(),
  'sees claims': ({ sync }) => sync.claims(),
  'sees volumes': ({ sync }) => sync.persistentVolumes(),
  'sees snapshots': ({ sync }) => sync.snapshots(),
  provisioner: async ({ storage }) => storage.programs.provisioner(),
  binder: async ({ storage }) => storage.programs.binder(),
  snapshotter: async ({ storage }) => storage.programs.snapshotter(),
  collector: async ({ storage }) => storage.programs.collector(),
  consumers: async (crowd) => crowd.consume(),
  'a moment passes': async (crowd) => crowd.pause(),
  'controller dies': (crowd) => crowd.kill(),
  'controller dies at its next write': (crowd) => {
    const next = crowd.writes.length + 1;
    crowd.onWrite = (nth, when) => {
      if (nth === next && when === 'after') Crowd.death();
    };
  },
};

const meddling: Readonly<Record<string, Happening>> = {
  'another is ordered': async (crowd, which) => crowd.order(which % 2 === 0 ? here : there),
  'one is deleted': async (crowd, which) => crowd.deleteVolume(keyOf(crowd, which)),
  'the snapshot is deleted': (crowd) => crowd.removeSnapshot(),
  'a target claim is deleted': (crowd, which) => {
    if (crowd.volume(keyOf(crowd, which))?.status?.phase !== 'Succeeded') crowd.removeTarget(keyOf(crowd, which));
  },
};

const stories = fc.array(
  fc.tuple(
    fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom('pass', 'all passes') },
      { weight: 16, arbitrary: fc.constantFrom(...Object.keys(happenings)) },
      { weight: 2, arbitrary: fc.constantFrom(...Object.keys(meddling)) },
    ),
    fc.nat(5),
  ),
  { minLength: 20, maxLength: 120 },
);

test('whatever happens in whatever order, who is left gets what is not older than itself, and nothing else is left', async () => {
  const orders = fc.array(fc.constantFrom(here, there, late, { own: true }), { minLength: 2, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(orders, stories, async (some, story) => {
      const crowd = await Crowd.of(...some);
      for (const [happening, which] of story) await (happenings[happening] ?? meddling[happening])?.(crowd, which);
      crowd.onWrite = () => undefined;
      await crowd.settle();
      await crowd.consume();
      await crowd.settle();
      const gone = crowd.ordered.map(({ key }) => key).filter((key) => crowd.volume(key) === undefined);
      expect(crowd.outcome()).toEqual(crowd.finished(...gone));
    }),
    { numRuns: 40 },
  );
});
