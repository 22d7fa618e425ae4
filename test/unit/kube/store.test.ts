import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { keyOf, type Stored } from '../../../shared/api/objects.ts';
import {
  type Change,
  createProjectedStore,
  createStore,
  identityOf,
  type Store,
  type StoreOptions,
} from '../../../shared/kube/store.ts';
import { type ConfigMap, configMap } from '../../support/build/configmap.ts';

const byOwner: StoreOptions<ConfigMap> = { indexes: { owner: (object) => object.data?.['owners']?.split(',') ?? [] } };

/** A store, and what it told: `type name@version`. */
function watched(options: StoreOptions<ConfigMap> = {}): { store: Store<ConfigMap>; told: string[] } {
  const store = createStore<ConfigMap>(options);
  const told: string[] = [];
  store.subscribe((change) => told.push(tell(change)));
  return { store, told };
}

function tell({ type, object, previous }: Change<ConfigMap>): string {
  const before = previous === undefined ? '' : ` from ${previous.metadata.resourceVersion}`;
  return `${type} ${object.metadata.name}@${object.metadata.resourceVersion}${before}`;
}

const at = (name: string, resourceVersion: string, uid = `uid-of-${name}`) => configMap(name, { resourceVersion, uid });

describe('parts of a store', () => {
  const inNamespace = (namespace: string, name: string, resourceVersion = '1') =>
    configMap(name, { namespace, resourceVersion, uid: `uid-of-${namespace}-${name}` });

  test('are filled each for itself, and what is put in place of one leaves the others alone', () => {
    const { store, told } = watched(byOwner);
    const [a, b] = [store.part('a'), store.part('b')];
    const fillWith = (part: typeof a, ...items: ReturnType<typeof inNamespace>[]): void => {
      const replacement = part.replacing();
      replacement.add(items);
      replacement.commit();
    };
    fillWith(a, inNamespace('a', 'one'), inNamespace('a', 'two'));
    fillWith(b, inNamespace('b', 'one'), { ...inNamespace('b', 'owned'), data: { owners: 'jane' } });
    b.upsert(inNamespace('b', 'three', '2'));
    expect([a.size, b.size, store.size]).toEqual([2, 3, 5]);
    told.length = 0;

    fillWith(a, inNamespace('a', 'two', '5'));

    expect(store.list().map(({ metadata }) => keyOf(metadata))).toEqual(['b/one', 'b/owned', 'b/three', 'a/two']);
    expect(told).toEqual(['deleted one@1 from 1', 'updated two@5 from 1']);
    expect(store.by('owner', 'jane')).toHaveLength(1);
    fillWith(b);
    expect(store.list().map(({ metadata }) => keyOf(metadata))).toEqual(['a/two']);
    expect(store.by('owner', 'jane')).toEqual([]);
  });

  test('make the store synced when the last of them is filled', () => {
    const { store } = watched();
    const parts = [store.part('a'), store.part('b')];
    const seen = parts.map((part) => {
      part.replacing().commit();
      return store.synced;
    });
    expect(seen).toEqual([false, true]);
  });

  test('take a Namespace by its own name', () => {
    const store = createStore();
    const named = (name: string) => ({ metadata: { name, uid: name, resourceVersion: '1' } });
    const [a, b] = [store.part('a'), store.part('b')];
    a.upsert(named('a'));
    b.upsert(named('b'));
    a.replacing().commit();
    expect(store.list()).toEqual([named('b')]);
    b.delete(named('b'));
    expect(store.size).toBe(0);
  });
});

describe('a store', () => {
  test('knows an object by namespace and name', () => {
    const { store } = watched();
    store.upsert(configMap('a'));
    store.upsert(configMap('a', { namespace: 'other' }));
    expect(store.get('ns/a')).toEqual(configMap('a'));
    expect(store.get('ns/b')).toBeUndefined();
    expect(store.size).toBe(2);
    expect(store.list().map((object) => keyOf(object.metadata))).toEqual(['ns/a', 'other/a']);
  });

  test('tells each change once, with what was there before', () => {
    const { store, told } = watched();
    store.upsert(at('a', '1'));
    store.upsert(at('a', '2'));
    store.upsert(at('a', '2'));
    store.delete(at('a', '3'));
    store.delete(at('a', '3'));
    expect(told).toEqual(['added a@1', 'updated a@2 from 1', 'deleted a@3 from 2']);
  });

  test('is filled once it was replaced, with nothing too', () => {
    const { store } = watched();
    store.upsert(configMap('a'));
    expect(store.synced).toBe(false);
    store.replace([]);
    expect(store.synced).toBe(true);
    expect(store.size).toBe(0);
  });

  const full = configMap('a', { managedFields: [{ manager: 'x' }] } as object, { long: 'text' });

  test('keeps objects without their managedFields', () => {
    const store = createStore<ConfigMap>();
    store.upsert(full);
    expect(store.get('ns/a')).toEqual(configMap('a', {}, { long: 'text' }));
    expect(full.metadata, 'what was handed in is left alone').toHaveProperty('managedFields');
  });

  test('keeps of each object what its projection gives, however it comes', () => {
    const store = createProjectedStore(({ metadata }: Stored<ConfigMap>) => ({
      metadata: identityOf(metadata),
      short: true,
    }));
    const told: unknown[] = [];
    store.subscribe(({ object }) => told.push(object));
    const kept = { metadata: identityOf(full.metadata), short: true };
    store.upsert(full);
    store.replace([full]);
    expect(store.list()).toEqual([kept]);
    store.delete(full);
    expect(told).toEqual([kept, kept]);
  });

  test('ends a subscription, and only that one', () => {
    const { store, told } = watched();
    const twice = vi.fn<() => void>();
    const end = store.subscribe(twice);
    store.subscribe(twice);
    end();
    end();
    store.upsert(configMap('a'));
    expect(twice).toHaveBeenCalledTimes(1);
    expect(told).toHaveLength(1);
  });

  test('does not tell a new subscriber what is there already', () => {
    const store = createStore<ConfigMap>();
    store.upsert(configMap('a'));
    const listener = vi.fn<() => void>();
    store.subscribe(listener);
    expect(listener).not.toHaveBeenCalled();
  });

  test('survives a listener that throws: the others are told, and the fault is reported', () => {
    const onError = vi.fn<(error: unknown) => void>();
    const store = createStore<ConfigMap>({ onError });
    const fault = new Error('a fault in a listener');
    store.subscribe(() => {
      throw fault;
    });
    const other = vi.fn<() => void>();
    store.subscribe(other);
    store.replace([configMap('a'), configMap('b')]);
    expect(other).toHaveBeenCalledTimes(2);
    expect(onError.mock.calls).toEqual([[fault], [fault]]);
    expect(store.size).toBe(2);
  });
});

describe('replacing the content', () => {
  test('tells exactly the differences, deletions that nobody watched included', () => {
    const { store, told } = watched();
    store.replace([at('gone', '1'), at('same', '2'), at('changed', '3')]);
    told.length = 0;
    store.replace([at('same', '2'), at('changed', '4'), at('new', '5')]);
    expect(told).toEqual(['deleted gone@1 from 1', 'updated changed@4 from 3', 'added new@5']);
  });

  test.each(['replace', 'upsert'] as const)(
    'by another object of the same name is a deletion and an addition (%s)',
    (how) => {
      const { store, told } = watched(byOwner);
      store.replace([configMap('a', { uid: 'first' }, { owners: 'x' })]);
      told.length = 0;
      const second = configMap('a', { uid: 'second', resourceVersion: '9' }, { owners: 'y' });
      if (how === 'replace') store.replace([second]);
      else store.upsert(second);
      expect(told).toEqual(['deleted a@1 from 1', 'added a@9']);
      expect(store.by('owner', 'x')).toEqual([]);
      expect(store.by('owner', 'y')).toEqual([second]);
    },
  );

  test('leaves the new object when the end of the old one is told late', () => {
    const { store, told } = watched();
    store.upsert(at('a', '5', 'second'));
    store.delete(at('a', '4', 'first'));
    expect(told).toEqual(['added a@5']);
    expect(store.size).toBe(1);
  });

  test('shows nothing before the last page, and everything to the first listener', () => {
    const { store } = watched(byOwner);
    store.replace([configMap('old', {}, { owners: 'x' })]);
    const seen: (readonly string[])[] = [];
    store.subscribe(() => seen.push(store.list().map((object) => object.metadata.name)));
    const replacement = store.replacing();
    replacement.add([configMap('a', {}, { owners: 'x' })]);
    expect(store.list().map((object) => object.metadata.name)).toEqual(['old']);
    expect(store.by('owner', 'x')).toHaveLength(1);
    replacement.add([configMap('b')]);
    replacement.commit();
    expect(seen).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });
});

describe('an index', () => {
  test('finds objects by each of their values, as they are now', () => {
    const { store } = watched(byOwner);
    store.upsert(configMap('a', {}, { owners: 'x,y' }));
    store.upsert(configMap('b', {}, { owners: 'y' }));
    expect(store.by('owner', 'y').map((object) => object.metadata.name)).toEqual(['a', 'b']);
    store.upsert(configMap('a', { resourceVersion: '2' }, { owners: 'z' }));
    store.delete(configMap('b', {}, {}));
    expect(['x', 'y', 'z'].map((value) => store.by('owner', value).length)).toEqual([0, 0, 1]);
  });

  test('that was never declared is an error, and a value that nobody has is none', () => {
    const { store } = watched(byOwner);
    expect(() => store.by('ownr', 'x')).toThrow('there is no index ownr; there are: owner');
    expect(store.by('owner', '__proto__')).toEqual([]);
  });

  test('that throws on an object leaves it out, and reports it', () => {
    const onError = vi.fn<(error: unknown) => void>();
    const owner = (object: Stored<ConfigMap>): string[] => [(object.data as { owner: string }).owner.trim()];
    const store = createStore<ConfigMap>({ indexes: { owner }, onError });
    store.replace([configMap('bad'), configMap('good', {}, { owner: 'x' })]);
    expect(store.by('owner', 'x').map((object) => object.metadata.name)).toEqual(['good']);
    expect(store.size).toBe(2);
    expect(onError).toHaveBeenCalledTimes(1);
  });
});

test('whatever happens, what was told adds up to what is there, and indexes agree with it', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd');
  const object = fc
    .record({ name, uid: fc.constantFrom('1', '2'), version: fc.nat(5), owners: fc.constantFrom('', 'x', 'y', 'x,y') })
    .map((made) =>
      configMap(made.name, { uid: made.uid, resourceVersion: String(made.version) }, { owners: made.owners }),
    );
  const step = fc.oneof(
    object.map((one) => (store: Store<ConfigMap>) => store.upsert(one)),
    object.map((one) => (store: Store<ConfigMap>) => store.delete(one)),
    fc.array(object).map((all) => (store: Store<ConfigMap>) => store.replace(all)),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const store = createStore<ConfigMap>(byOwner);
      const mirror = new Map<string, string>();
      store.subscribe(({ type, object, previous }) => {
        const key = keyOf(object.metadata);
        expect(mirror.get(key), 'each change starts from what was told before').toBe(previous?.metadata.uid);
        if (type === 'deleted') mirror.delete(key);
        else mirror.set(key, object.metadata.uid);
      });
      for (const take of steps) take(store);
      expect(mirror).toEqual(new Map(store.list().map((one) => [keyOf(one.metadata), one.metadata.uid])));
      for (const value of ['x', 'y']) {
        const expected = store.list().filter((one) => one.data?.['owners']?.split(',').includes(value));
        expect(new Set(store.by('owner', value))).toEqual(new Set(expected));
      }
    }),
    { numRuns: 500 },
  );
});
