import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Stored } from '../../../shared/api/objects.ts';
import { type Client, createClient, type ListPage } from '../../../shared/kube/client.ts';
import { ApiError, isConflict, isGone } from '../../../shared/kube/errors.ts';
import { csiDrivers } from '../../../shared/kube/resource.ts';
import { systemClock } from '../../../shared/process/clock.ts';
import { type ConfigMap, configMap, configMaps } from '../../support/build/configmap.ts';
import { type FakeApi, json, list, reset, startFakeApi, status, text } from '../../support/fake-api.ts';

let api: FakeApi;
let client: Client;

beforeEach(async () => {
  api = await startFakeApi();
  client = createClient(api.connect(), { clock: systemClock, random: () => 0 });
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
});

const stored = configMap('a');
const ref = { namespace: 'ns', name: 'a' };
const path = '/api/v1/namespaces/ns/configmaps/a';

async function pagesOf(options: Parameters<Client['pages']>[1] = {}): Promise<ListPage<ConfigMap>[]> {
  const pages: ListPage<ConfigMap>[] = [];
  for await (const page of client.pages(configMaps, options)) pages.push(page);
  return pages;
}

describe('get', () => {
  test('gives what the server sent, fields that nobody knows included', async () => {
    api.script(json({ ...stored, spec: { futureField: [1] } }));
    expect(await client.get(configMaps, ref)).toEqual({ ...stored, spec: { futureField: [1] } });
    expect(api.requests).toMatchObject([{ method: 'GET', path, query: {} }]);
  });

  test('escapes names, so that none can reach another path', async () => {
    api.script(status(404, 'NotFound'));
    await expect(client.get(csiDrivers, { name: '../a?b#c' })).rejects.toMatchObject({ reason: 'NotFound' });
    expect(api.requests[0]?.path).toBe('/apis/storage.k8s.io/v1/csidrivers/..%2Fa%3Fb%23c');
  });

  test.each([null, [], 'text', {}, { metadata: null }, { metadata: { name: 'a' } }])(
    'refuses %j as an object',
    async (body) => {
      api.otherwise(json(body));
      const brief = client.get(configMaps, ref, { deadline: 50 });
      await expect(brief).rejects.toBeInstanceOf(ApiError);
    },
  );
});

describe('pages', () => {
  test('follows the token to the end, and names the version in the first page only', async () => {
    api.script(list([configMap('a')], '7', 'next&token'), list([configMap('b')], '7'));
    const pages = await pagesOf({ namespace: 'ns', pageSize: 1, resourceVersion: '5', labelSelector: 'x=y' });
    expect(pages.map((page) => [page.resourceVersion, page.items.map((item) => item.metadata.name)])).toEqual([
      ['7', ['a']],
      ['7', ['b']],
    ]);
    expect(api.requests.map((seen) => seen.query)).toEqual([
      { limit: '1', resourceVersion: '5', labelSelector: 'x=y' },
      { limit: '1', continue: 'next&token', labelSelector: 'x=y' },
    ]);
  });

  test('gives every item its kind and version, which a list leaves out', async () => {
    const { apiVersion: _, kind: __, ...bare } = stored;
    api.script(list([bare]));
    expect(await pagesOf()).toEqual([{ items: [stored], resourceVersion: '100' }]);
    expect(api.requests).toMatchObject([{ path: '/api/v1/configmaps', query: { limit: '100' } }]);
  });

  test('takes null for no items, as Go writes it', async () => {
    api.script(json({ metadata: { resourceVersion: '3' }, items: null }));
    expect(await pagesOf()).toEqual([{ items: [], resourceVersion: '3' }]);
  });

  test('asks for fewer at a time where objects are so large that a page of them is more than fits into memory', async () => {
    const large = { ...configMap('a'), data: { text: 'x'.repeat(33 * 1024 * 1024) } };
    api.script(list([stored], '7', 'next'), list([large], '7'), list([configMap('b')], '7', 'more'), list([], '7'));

    const pages = await pagesOf({ pageSize: 8 });

    expect(pages.flatMap(({ items }) => items.map(({ metadata }) => metadata.name))).toEqual(['a', 'b']);
    expect(api.requests.map(({ query }) => query)).toEqual([
      { limit: '8' },
      { limit: '8', continue: 'next' },
      { limit: '2', continue: 'next' },
      { limit: '2', continue: 'more' },
    ]);
  });

  test('gives up at one object that is as large', async () => {
    api.script(list([{ ...stored, data: { text: 'x'.repeat(33 * 1024 * 1024) } }]));
    await expect(pagesOf({ pageSize: 1 })).rejects.toMatchObject({ reason: 'AnswerTooLarge' });
  });

  test('ends with Expired when the list is too old to go on', async () => {
    api.script(list([stored], '7', 'next'), status(410, 'Expired', 'The provided continue parameter is too old'));
    await expect(pagesOf()).rejects.toSatisfy(isGone);
    expect(api.requests).toHaveLength(2);
  });

  test.each([
    ['no list', {}],
    ['no version', { metadata: {}, items: [] }],
    ['items that are none', { metadata: { resourceVersion: '1' }, items: {} }],
    ['an item without a name', { metadata: { resourceVersion: '1' }, items: [{ metadata: {} }] }],
  ])('refuses %s', async (_, body) => {
    api.script(json(body));
    await expect(pagesOf()).rejects.toMatchObject({ reason: 'InvalidAnswer' });
  });
});

describe('the log of a pod', () => {
  const lines = { container: 'copy', tailLines: 5, limitBytes: 100 };

  test('is the text that the server sent', async () => {
    api.script(text(200, '{"not":"parsed"}\nhello\n'));
    expect(await client.podLog(ref, lines)).toBe('{"not":"parsed"}\nhello\n');
    expect(api.requests).toMatchObject([
      {
        method: 'GET',
        path: '/api/v1/namespaces/ns/pods/a/log',
        query: { container: 'copy', tailLines: '5', limitBytes: '100' },
      },
    ]);
  });

  test('is never longer than was asked for, whatever comes', async () => {
    api.script(text(200, 'x'.repeat(1000)));
    await expect(client.podLog(ref, lines)).rejects.toMatchObject({ reason: 'AnswerTooLarge' });
  });

  test('that there is none of is an error', async () => {
    api.script(status(400, 'BadRequest', 'container "copy" in pod "a" is waiting to start'));
    await expect(client.podLog(ref, lines)).rejects.toMatchObject({ code: 400, reason: 'BadRequest' });
  });
});

describe('writes', () => {
  const { metadata: _, ...fields } = stored;
  const fresh: ConfigMap = { ...fields, metadata: { namespace: 'ns', name: 'a' } };

  test('create posts to the collection, strictly and in our name', async () => {
    api.script(json(stored));
    await client.create(configMaps, { metadata: fresh.metadata, data: { a: 'b' } }, { dryRun: true });
    expect(api.requests).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/api/v1/namespaces/ns/configmaps',
        query: { fieldManager: 'clonegate', dryRun: 'All', fieldValidation: 'Strict' },
        body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: fresh.metadata, data: { a: 'b' } },
      }),
    ]);
  });

  test('what a dry run would make has an empty version, as the server sends none', async () => {
    const { resourceVersion: _, ...unsaved } = stored.metadata;
    api.script(json({ ...stored, metadata: unsaved }), json({ ...stored, metadata: unsaved }));
    const dry = await client.create(configMaps, fresh, { dryRun: true });
    expect(dry.metadata).toEqual({ ...unsaved, resourceVersion: '' });
    await expect(client.create(configMaps, fresh)).rejects.toMatchObject({ reason: 'InvalidAnswer' });
  });

  test('create is never repeated after a lost answer', async () => {
    api.script(reset);
    await expect(client.create(configMaps, fresh)).rejects.toMatchObject({ reason: 'Unreachable' });
    expect(api.requests).toHaveLength(1);
  });

  test('create of a subresource posts below the name', async () => {
    api.script(json(stored));
    await client.create(configMaps, fresh, { subresource: 'eviction' });
    expect(api.requests).toMatchObject([{ path: `${path}/eviction` }]);
  });

  test('apply sends only what was given, with our field manager, and force when asked', async () => {
    api.script(json(stored), json(stored));
    await client.apply(configMaps, fresh);
    await client.apply(configMaps, fresh, { force: true, subresource: 'status' });
    expect(api.requests).toMatchObject([
      { method: 'PATCH', path, query: { fieldManager: 'clonegate', fieldValidation: 'Strict' }, body: fresh },
      { path: `${path}/status`, query: { force: 'true' } },
    ]);
    expect(api.requests[0]?.headers['content-type']).toBe('application/apply-patch+yaml');
    expect(api.requests[0]?.query).not.toHaveProperty('force');
    await expect(client.apply(configMaps, { metadata: {} })).rejects.toThrow('metadata.name is missing');
  });

  test('apply is repeated after a lost answer: it says how things shall be', async () => {
    api.script(reset, json(stored));
    await client.apply(configMaps, fresh);
    expect(api.requests).toHaveLength(2);
  });

  test('mergePatch carries its preconditions inside the patch, beside what it changes', async () => {
    api.script(json(stored));
    const patch = { metadata: { labels: { a: null } }, data: { x: '1' } };
    await client.mergePatch(configMaps, ref, patch, { preconditions: { uid: 'u', resourceVersion: '9' } });
    expect(api.requests).toMatchObject([
      {
        method: 'PATCH',
        path,
        query: { fieldManager: 'clonegate' },
        body: { metadata: { labels: { a: null }, uid: 'u', resourceVersion: '9' }, data: { x: '1' } },
      },
    ]);
    expect(api.requests[0]?.headers['content-type']).toBe('application/merge-patch+json');
  });

  test('mergePatch is repeated after a lost answer only when preconditions make that harmless', async () => {
    api.script(reset);
    await expect(client.mergePatch(configMaps, ref, {})).rejects.toMatchObject({ reason: 'Unreachable' });
    api.script(reset, json(stored));
    await client.mergePatch(configMaps, ref, {}, { preconditions: { uid: 'u' } });
    expect(api.requests).toHaveLength(3);
  });

  test('a patch of an object with another uid is a conflict, though the server calls it invalid', async () => {
    const causes = [{ reason: 'FieldValueInvalid', field: 'metadata.uid' }];
    api.script(status(422, 'Invalid', 'field is immutable', {}, { causes }));
    const patched = client.mergePatch(configMaps, ref, {}, { preconditions: { uid: 'u' } });
    await expect(patched).rejects.toSatisfy(isConflict);
    api.script(status(422, 'Invalid', 'field is immutable', {}, { causes }));
    await expect(client.apply(configMaps, stored)).rejects.toSatisfy(isConflict);
    api.script(status(422, 'Invalid', 'bad', {}, { causes: [{ field: 'data' }] }));
    await expect(client.apply(configMaps, fresh)).rejects.toMatchObject({ code: 422 });
  });
});

describe('remove', () => {
  const preconditions = { uid: 'uid-of-a', resourceVersion: '4' };

  test('sends preconditions and propagation', async () => {
    api.script(json({ kind: 'Status', status: 'Success' }));
    await client.remove(configMaps, ref, { preconditions, propagation: 'Foreground', dryRun: true });
    expect(api.requests).toMatchObject([
      { method: 'DELETE', path, body: { preconditions, propagationPolicy: 'Foreground', dryRun: ['All'] } },
    ]);
  });

  test('is content when there is nothing, or something else of that name', async () => {
    api.script(status(404, 'NotFound'));
    await client.remove(configMaps, ref);
    api.script(status(409, 'Conflict'), json(configMap('a', { uid: 'another' })));
    await client.remove(configMaps, ref, { preconditions });
    api.script(status(409, 'Conflict'), status(404, 'NotFound'));
    await client.remove(configMaps, ref, { preconditions });
    expect(api.requests).toHaveLength(5);
  });

  test('is refused when the object is there in another version', async () => {
    api.script(status(409, 'Conflict'), json(stored));
    await expect(client.remove(configMaps, ref, { preconditions })).rejects.toSatisfy(isConflict);
    api.script(status(409, 'Conflict'));
    await expect(client.remove(configMaps, ref)).rejects.toSatisfy(isConflict);
    expect(api.requests, 'without a uid there is nothing to compare').toHaveLength(3);
  });

  test('is repeated after a lost answer only with preconditions', async () => {
    api.script(reset, status(404, 'NotFound'));
    await client.remove(configMaps, ref, { preconditions });
    api.script(reset);
    await expect(client.remove(configMaps, ref)).rejects.toMatchObject({ reason: 'Unreachable' });
    expect(api.requests).toHaveLength(3);
  });
});

test('review is a question: posted, repeated after a lost answer, and its answer needs no identity', async () => {
  const answer = { metadata: {}, status: { allowed: true } };
  api.script(reset, json(answer));
  const asked = await client.review(csiDrivers, { metadata: {} });
  expect(asked).toEqual(answer);
  expect(api.requests.at(-1)).toMatchObject({ method: 'POST', path: '/apis/storage.k8s.io/v1/csidrivers', query: {} });
});

test('what comes back is typed as stored', async () => {
  api.script(json(stored));
  const got: Stored<ConfigMap> = await client.get(configMaps, ref);
  expect(got.metadata.uid).toBe('uid-of-a');
});
