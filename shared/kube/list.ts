import { isObject } from '../api/json.ts';
import type { KubeObject, Stored } from '../api/objects.ts';
import { ApiError } from './errors.ts';
import { type Call, type CallOptions, metadataTypes, nameOf } from './request.ts';
import { apiVersionOf, pathOf, type Resource } from './resource.ts';

/** Lists in pages, so that neither we nor the API server hold a whole collection at once. */

/** The deadline is for each page. */
export interface ListOptions extends CallOptions {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Objects per page; default 100. */
  readonly pageSize?: number;
  /** `'0'` answers from the watch cache; absent means the newest state. */
  readonly resourceVersion?: string;
}

export interface ListPage<T extends KubeObject> {
  readonly items: readonly Stored<T>[];
  /** Version of the whole list; a watch may start here. */
  readonly resourceVersion: string;
}

/**
 * A fifth of client-go's. A page is there as bytes, as text and as objects at the same time, several kinds are listed at once, and what that takes
 * is given back late or never: with 500 both programs held 40 to 65 MiB more beside 20,000 pods (measured), for the same CPU time.
 */
const defaultPageSize = 100;
/**
 * Bytes of one page, which is there as bytes, as text and as objects at the same time. Ordinary ones have few megabytes; anybody may make objects
 * that are as large as etcd takes them, and a page of those is asked for again with fewer.
 */
const pageLimit = 32 * 1024 * 1024;

export async function* listPages<T extends KubeObject>(
  kind: Resource<T>,
  options: ListOptions,
  send: (call: Call) => Promise<unknown>,
): AsyncGenerator<ListPage<T>> {
  let token: string | undefined;
  let size = options.pageSize ?? defaultPageSize;
  do {
    const call = pageCall(kind, options, token, size);
    const list = await send(call).catch((error: unknown) => {
      if (size === 1 || !isTooLarge(error)) throw error;
      return undefined;
    });
    if (list === undefined) {
      size = Math.ceil(size / 4);
      continue;
    }
    if (!isObject(list) || !isObject(list['metadata'])) throw invalid(call, 'is not a list');
    const { resourceVersion, continue: next } = list['metadata'];
    if (typeof resourceVersion !== 'string') throw invalid(call, 'is not a list');
    yield { items: itemsOf(kind, call, list['items']), resourceVersion };
    token = typeof next === 'string' ? next : '';
  } while (token !== '');
}

function isTooLarge(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'AnswerTooLarge';
}

function pageCall(kind: Resource<KubeObject>, options: ListOptions, token: string | undefined, limit: number): Call {
  const { namespace, labelSelector, fieldSelector, resourceVersion } = options;
  return {
    verb: 'list',
    method: 'GET',
    path: pathOf(kind, namespace === undefined ? {} : { namespace }),
    query: {
      labelSelector,
      fieldSelector,
      limit,
      // The token of a later page holds the version; naming both is an error.
      ...(token === undefined ? { resourceVersion } : { continue: token }),
    },
    accept: kind.metadataOnly === true ? metadataTypes.list : undefined,
    retry: 'safe',
    signal: options.signal,
    deadline: options.deadline,
    limit: pageLimit,
  };
}

function itemsOf<T extends KubeObject>(kind: Resource<T>, call: Call, items: unknown): Stored<T>[] {
  // An empty list may be null: that is how Go writes a slice that was never made.
  if (!Array.isArray(items ?? [])) throw invalid(call, 'has no items');
  const apiVersion = apiVersionOf(kind);
  return ((items ?? []) as unknown[]).map((item) => {
    if (!isStored<T>(item)) throw invalid(call, `has an item that is no ${kind.kind}`);
    // The items of a list do not say what they are; those of a get and of a watch do. Ours always do.
    return { ...item, apiVersion, kind: kind.kind };
  });
}

function invalid(call: Call, what: string): ApiError {
  return new ApiError(`${nameOf(call)}: the answer ${what}`, { code: 0, reason: 'InvalidAnswer' });
}

/** Whether this has the identity that every object of the API server has. Nothing else of it is looked at. */
export function isStored<T extends KubeObject>(value: unknown): value is Stored<T> {
  if (!isObject(value) || !isObject(value['metadata'])) return false;
  const { name, uid, resourceVersion } = value['metadata'];
  return typeof name === 'string' && typeof uid === 'string' && typeof resourceVersion === 'string';
}
