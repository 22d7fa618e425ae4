import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CloneSource, DataVolume } from '../../../shared/api/datavolume.ts';
import { isObject } from '../../../shared/api/json.ts';
import { reservedAnnotations } from '../../../shared/api/names.ts';
import { parseReview, ReviewError } from '../../../webhook/review.ts';
import {
  admit,
  annotate,
  call,
  cloneOf,
  completed,
  createReview,
  jane,
  newWorld,
  putDataSource,
  updateReview,
  type World,
  worldWithSource,
} from './world.ts';

/** Whatever is sent: nothing is let in that nobody authorized, and nothing makes the webhook fall over. */

const anything = fc.jsonValue({ maxDepth: 3, noUnicodeString: false });
const name = fc.oneof(fc.constantFrom('fedora', 'secret', 'latest', '..', '', 'x'.repeat(253)), fc.string());
const namespace = fc.oneof(fc.constantFrom('golden', 'tenant-a', 'vault', ''), fc.string());
const ref = fc.record({ namespace, name }, { requiredKeys: [] });

/** Clones with nothing wrong about them but that nobody allowed them: what an attacker would send. */
const wellFormed = fc
  .record({ namespace: fc.constantFrom('golden', 'vault', ''), name: fc.constantFrom('fedora', 'secret') })
  .map((pvc) => cloneOf({ source: { pvc } }).spec);

const spec = fc.oneof(
  { arbitrary: wellFormed, weight: 3 },
  anything,
  fc.record(
    {
      source: fc.oneof(anything, fc.record({ pvc: ref, snapshot: ref, http: fc.constant({}) }, { requiredKeys: [] })),
      sourceRef: fc.oneof(anything, fc.record({ kind: fc.constantFrom('DataSource', 'Pod'), namespace, name })),
      storage: fc.oneof(
        anything,
        fc.record(
          {
            resources: fc.record({
              requests: fc.record({ storage: fc.oneof(anything, fc.constantFrom('10Gi', '1e99', '-1')) }),
            }),
          },
          { requiredKeys: [] },
        ),
      ),
      pvc: anything,
      contentType: fc.oneof(anything, fc.constantFrom('kubevirt', 'archive')),
    },
    { requiredKeys: [] },
  ),
);

/** A stamp and decision that are genuine, but of another request. */
async function borrowed(world: World): Promise<Readonly<Record<string, string>>> {
  const { mutated } = await admit(world, cloneOf({}, { name: 'mine' }));
  return mutated.metadata.annotations ?? {};
}

const ourKeys = [...reservedAnnotations];
const hostile = fc.dictionary(
  fc.oneof(fc.constantFrom(...ourKeys, '__proto__', 'constructor'), fc.string()),
  fc.string(),
);

function namesNoSource(object: unknown): boolean {
  const spec = isObject(object) ? object['spec'] : undefined;
  if (!isObject(spec)) return false;
  const { source, sourceRef } = spec;
  if (sourceRef !== undefined) return false;
  return !isObject(source) ? source === undefined : source['pvc'] === undefined && source['snapshot'] === undefined;
}

describe('without the right', () => {
  it('no clone is let in, whatever the object and whatever annotations it carries', async () => {
    const world = await worldWithSource();
    await putDataSource(world, { name: 'fedora' });
    const genuine = await borrowed(world);
    world.answer = 'no';
    await fc.assert(
      fc.asyncProperty(spec, hostile, fc.boolean(), async (given, own, stamped) => {
        const base = { ...cloneOf(), spec: given };
        const metadata = { ...base.metadata, annotations: { ...own, ...(stamped ? genuine : {}) } };
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        const object = completed(world, { ...base, metadata } as unknown as DataVolume);
        const { response } = await call(world.validate, createReview(object));
        expect(response.allowed && !namesNoSource(object)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('no update makes a clone of anything, or another clone', async () => {
    const world = newWorld();
    world.answer = 'no';
    await fc.assert(
      fc.asyncProperty(spec, spec, hostile, async (before, after, own) => {
        const [old, now] = [before, after].map((given) => ({ ...completed(world, cloneOf()), spec: given }));
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        const changed = annotate(now as DataVolume, own);
        const { response } = await call(world.validate, updateReview(old, changed));
        if (!response.allowed) return;
        const untouched = ourKeys.every((key) => !Object.hasOwn(own, key));
        const same = JSON.stringify(before) === JSON.stringify(after);
        expect((namesNoSource(old) && namesNoSource(now)) || (same && untouched)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe('with the right to one source', () => {
  const mine = (source: CloneSource): boolean => source.namespace === 'golden' && source.name === 'fedora';

  it('no other is let in, whatever happens between the two webhooks', async () => {
    const world = await worldWithSource();
    await putDataSource(world, { name: 'fedora' });
    world.answer = (user, source) => user.username === jane.username && mine(source);
    const genuine = await borrowed(world);
    const altered = fc.record(
      { spec, own: hostile, name: fc.constantFrom('disk', 'other'), replay: fc.boolean() },
      { requiredKeys: [] },
    );
    let admitted = 0;
    await fc.assert(
      fc.asyncProperty(fc.option(altered, { nil: undefined, freq: 10 }), async (changes) => {
        const { stored, ruling } = await admit(world, cloneOf(), (mutated) => {
          const replayed = annotate(mutated, { ...changes?.own, ...(changes?.replay === true ? genuine : {}) });
          const metadata = { ...replayed.metadata, name: changes?.name ?? 'disk' };
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion
          return { ...replayed, metadata, spec: changes?.spec ?? replayed.spec } as DataVolume;
        });
        if (!ruling.response.allowed) return;
        admitted += 1;
        const { source } = stored.spec;
        expect(
          namesNoSource(stored) || mine({ kind: 'PersistentVolumeClaim', namespace: '', name: '', ...source?.pvc }),
        ).toBe(true);
      }),
      { numRuns: 300 },
    );
    // Else the property would hold for a webhook that refuses everything.
    expect(admitted).toBeGreaterThan(0);
  });
});

describe('whatever the body', () => {
  it('is either read or refused by name', () => {
    const base = createReview(cloneOf());
    const keys = fc.constantFrom(...Object.keys(base.request));
    fc.assert(
      fc.property(anything, fc.dictionary(keys, anything), (body, changes) => {
        for (const given of [body, { ...base, request: body }, { ...base, request: { ...base.request, ...changes } }]) {
          try {
            parseReview(given);
          } catch (error) {
            expect(error).toBeInstanceOf(ReviewError);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('mutate never refuses and never allows more than it was asked', async () => {
    const world = await worldWithSource();
    world.answer = 'no';
    await fc.assert(
      fc.asyncProperty(spec, hostile, async (given, own) => {
        const metadata = { ...cloneOf().metadata, annotations: own };
        const { response } = await call(world.mutate, createReview({ ...cloneOf(), metadata, spec: given }));
        expect(response.allowed).toBe(true);
        const patch = response.patch === undefined ? '' : Buffer.from(response.patch, 'base64').toString();
        expect(patch).not.toMatch(/"op":"(?:add|replace)"/);
      }),
      { numRuns: 500 },
    );
  });
});
