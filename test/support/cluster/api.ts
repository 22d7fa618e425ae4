import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** The harness's own way to the API server: a few JSON calls, kept apart from the client that it is there to test. */
export interface Api {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
  /** Server-side apply. */
  apply<T>(path: string, body: object): Promise<T>;
  /** RFC 7396. */
  merge<T>(path: string, body: object): Promise<T>;
  remove(path: string, options?: object): Promise<void>;
  close(): Promise<void>;
}

export class ApiCallError extends Error {
  override readonly name = 'ApiCallError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Milliseconds until an API server that says nothing, on a machine that has other things to do, is given up. */
const patience = 60_000;

/** As often is tried what an API server has not taken on (429): it is busy, or has yet to read what there is of a kind that is new to it. */
const attempts = 10;

/** @param server such as `https://127.0.0.1:20443`; @param ca PEM. */
export function createApi(server: string, ca: string, token: string): Api {
  const dispatcher = new Agent({ connect: { ca, timeout: patience }, headersTimeout: patience });
  const call = async <T>(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    type?: string,
    body?: object,
  ): Promise<T> => {
    for (let attempt = 1; ; attempt += 1) {
      const response = await request(`${server}${path}`, {
        method,
        dispatcher,
        headers: { authorization: `Bearer ${token}`, ...(type === undefined ? {} : { 'content-type': type }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.body.text();
      if (response.statusCode === 429 && attempt < attempts) {
        await sleep(Number(response.headers['retry-after'] ?? 1) * 1000);
        continue;
      }
      if (response.statusCode >= 300)
        throw new ApiCallError(response.statusCode, `${method} ${path}: ${messageIn(text)}`);
      return (text.startsWith('{') ? JSON.parse(text) : text) as T;
    }
  };
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, 'application/json', body),
    apply: (path, body) =>
      call('PATCH', `${path}?fieldManager=clonegate-test&force=true`, 'application/apply-patch+yaml', body),
    merge: (path, body) => call('PATCH', path, 'application/merge-patch+json', body),
    remove: async (path, options = {}) => {
      await call('DELETE', path, 'application/json', { apiVersion: 'v1', kind: 'DeleteOptions', ...options });
    },
    close: () => dispatcher.destroy(),
  };
}

/** The sentence of a Status; the whole answer when it is something else. */
function messageIn(text: string): string {
  try {
    return (JSON.parse(text) as { readonly message?: string }).message ?? text;
  } catch {
    return text;
  }
}
