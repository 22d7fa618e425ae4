import type { KubeObject } from '../../shared/api/objects.ts';
import type { Client, ListPage, WatchEvent, Watcher, WatchOptions } from '../../shared/kube/client.ts';
import { ApiError } from '../../shared/kube/errors.ts';

/** Lists and watches as a test wants them, without a network: what a reflector does with time can be seen with a fake clock. */

export type Source = Pick<Client, 'pages'> & Watcher;

/** One watch; what is pushed before it is opened waits for it. */
export interface ScriptedWatch<T extends KubeObject> {
  push(...events: readonly WatchEvent<T>[]): void;
  end(): void;
  fail(error: Error): void;
  /** As it was opened; undefined before. */
  readonly options: WatchOptions | undefined;
  readonly left: boolean;
}

type Step<T extends KubeObject> = { readonly event: WatchEvent<T> } | { readonly error: Error } | 'end';

export interface ScriptedClient<T extends KubeObject> {
  readonly client: Source;
  /** `list`, or `watch <version>`, in order. */
  readonly calls: readonly string[];
  /** Pages for the next list; an error in their place breaks it there. Without a script a list does not answer. */
  list(...pages: readonly (ListPage<T> | Error)[]): void;
  /** The next watch. Without one, a watch is silent. */
  watch(): ScriptedWatch<T>;
  /** How many lists and watches are under way. */
  readonly open: number;
}

export function scriptedClient<T extends KubeObject>(): ScriptedClient<T> {
  const calls: string[] = [];
  const lists: (readonly (ListPage<T> | Error)[])[] = [];
  const watches: Opened<T>[] = [];
  let open = 0;
  async function* follow(script: Opened<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    open += 1;
    script.options = options;
    try {
      for (;;) {
        const step = script.steps.shift();
        if (step === undefined) await script.more(options.signal);
        else if (step === 'end') return;
        else if ('error' in step) throw step.error;
        else yield step.event;
      }
    } finally {
      script.left = true;
      open -= 1;
    }
  }
  async function* answer(pages: readonly (ListPage<T> | Error)[] | undefined, signal: AbortSignal | undefined) {
    open += 1;
    try {
      if (pages === undefined) await aborted(signal);
      for (const page of pages ?? []) {
        // As a real one, it takes a turn of the event loop.
        await new Promise((resolve) => setImmediate(resolve));
        signal?.throwIfAborted();
        if (page instanceof Error) throw page;
        yield page;
      }
    } finally {
      open -= 1;
    }
  }
  const source: Pick<TypedSource<T>, 'pages' | 'watch'> = {
    pages: (_kind, options) => {
      calls.push('list');
      return answer(lists.shift(), options?.signal);
    },
    watch: (_kind, options) => {
      calls.push(`watch ${options.resourceVersion}`);
      return follow(watches.shift() ?? new Opened<T>(), options);
    },
  };
  return {
    client: source as Source,
    calls,
    list: (...pages) => void lists.push(pages),
    watch: () => {
      const script = new Opened<T>();
      watches.push(script);
      return script;
    },
    get open() {
      return open;
    },
  };
}

/** The same for the one kind of the test. */
interface TypedSource<T extends KubeObject> {
  pages(kind: unknown, options?: { readonly signal?: AbortSignal | undefined }): AsyncIterable<ListPage<T>>;
  watch(kind: unknown, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
}

class Opened<T extends KubeObject> implements ScriptedWatch<T> {
  readonly steps: Step<T>[] = [];
  options: WatchOptions | undefined;
  left = false;
  #wake: () => void = () => undefined;

  push(...events: readonly WatchEvent<T>[]): void {
    this.steps.push(...events.map((event) => ({ event })));
    this.#wake();
  }

  end(): void {
    this.steps.push('end');
    this.#wake();
  }

  fail(error: Error): void {
    this.steps.push({ error });
    this.#wake();
  }

  async more(signal: AbortSignal | undefined): Promise<void> {
    const pushed = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await Promise.race([pushed, aborted(signal)]);
  }
}

async function aborted(signal: AbortSignal | undefined): Promise<never> {
  return await new Promise((_, reject) => {
    const end = (): void => reject(signal?.reason as Error);
    if (signal?.aborted === true) end();
    signal?.addEventListener('abort', end, { once: true });
  });
}

export const gone = (): ApiError => new ApiError('too old', { code: 410, reason: 'Expired' });
export const notFound = (): ApiError => new ApiError('404 page not found', { code: 404, reason: 'NotFound' });
export const forbidden = (): ApiError => new ApiError('no role', { code: 403, reason: 'Forbidden' });
export const unavailable = (): ApiError => new ApiError('not now', { code: 503, reason: 'ServiceUnavailable' });
