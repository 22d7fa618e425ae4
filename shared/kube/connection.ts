import { createHash } from 'node:crypto';
import { type Dispatcher, Pool, ProxyAgent } from 'undici';
import { type Clock, systemClock } from '../process/clock.ts';
import { type Access, type AccessOptions, type AccessSource, accessFrom } from './credentials.ts';
import { ApiError } from './errors.ts';

/** The way to the API server: two pools of kept-alive connections, and credentials that are renewed behind them. */

/** What it takes to send one request now. */
export interface Route {
  readonly origin: string;
  /** Path of the server URL before `/api`, without a slash at its end; some proxies serve many clusters below one host. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly calls: Dispatcher;
  /** Apart from calls: a watch holds its connection for minutes, and a dozen of them would leave none for anything else. */
  readonly watches: Dispatcher;
}

export interface Connection {
  /** Credentials are read again when the ones at hand are older than half a minute. @throws AccessError when there never were any. */
  route(): Promise<Route>;
  /** The server refused `used`: reads the credentials again at once, unless somebody already has. */
  renew(used: Route): Promise<Route>;
  /** Ends every request and connection; the connection cannot be used afterwards. */
  close(): Promise<void>;
}

export interface ConnectionOptions {
  readonly clock?: Clock;
  /** Connections for calls, 1 or more; default 12. Requests beyond that wait for a free one. */
  readonly connections?: number;
}

/** Kubelet refreshes a projected token an hour or more before it ends, so half a minute is early enough; client-go takes one minute. */
const readAgainAfter = 30_000;
/** Not every one of many calls that are refused at the same time may run an exec plugin. */
const refusedAgainAfter = 1_000;
/** Below the API server's 90 s, so that we are the one to close and no call meets a connection that is just going away. */
const keepAlive = 60_000;
const connectTimeout = 10_000;

/** @throws AccessError when the kubeconfig (or service account) cannot be used. */
export async function connect(
  options: AccessOptions & ConnectionOptions & { readonly signal?: AbortSignal } = {},
): Promise<Connection> {
  options.signal?.throwIfAborted();
  const connection = openConnection(accessFrom(options), options);
  await connection.route();
  const end = (): void => void connection.close();
  if (options.signal?.aborted === true) end();
  options.signal?.addEventListener('abort', end, { once: true });
  return connection;
}

interface Held {
  readonly route: Route;
  readonly tls: string;
  readonly at: number;
}

/** A connection over any source of credentials; {@link connect} is the usual one. */
export function openConnection(source: AccessSource, options: ConnectionOptions = {}): Connection {
  const clock = options.clock ?? systemClock;
  const pools = createPools(options.connections ?? 12);
  let held: Held | undefined;
  let reading: Promise<Route> | undefined;
  let renewedAt = Number.NEGATIVE_INFINITY;
  let closed = false;

  const adopt = (access: Access): Route => {
    if (closed) throw closedError();
    const route = routeOf(access, held, pools);
    held = { route, tls: tlsFingerprint(access), at: clock.elapsed() };
    return route;
  };

  const read = async (fresh: boolean): Promise<Route> => {
    try {
      return adopt(await source(fresh));
    } catch (error) {
      // A token or CA that cannot be read at this moment (it is just being replaced) is no reason to drop one that may still be good.
      if (held === undefined || closed) throw error;
      held = { ...held, at: clock.elapsed() };
      return held.route;
    } finally {
      reading = undefined;
    }
  };

  return {
    route: async () => {
      if (closed) throw closedError();
      if (held !== undefined && clock.elapsed() - held.at < readAgainAfter) return held.route;
      return await (reading ??= read(false));
    },
    renew: async (used) => {
      if (held !== undefined && held.route !== used) return held.route;
      if (reading === undefined) {
        if (held !== undefined && clock.elapsed() - renewedAt < refusedAgainAfter) return held.route;
        renewedAt = clock.elapsed();
        reading = read(true);
      }
      return await reading;
    },
    close: async () => {
      closed = true;
      await pools.destroy();
    },
  };
}

/** The same route when nothing changed, the same pools when only the headers did, else everything new. */
function routeOf(access: Access, held: Held | undefined, pools: Pools): Route {
  const { headers } = access;
  const origin = access.server.origin;
  const prefix = access.server.pathname.replace(/\/+$/, '');
  if (held?.tls !== tlsFingerprint(access)) {
    if (held !== undefined) pools.retire(held.route);
    return { origin, prefix, headers, ...pools.open(access) };
  }
  if (JSON.stringify(headers) === JSON.stringify(held.route.headers)) return held.route;
  return { ...held.route, headers };
}

type Pair = Pick<Route, 'calls' | 'watches'>;

interface Pools {
  open(access: Access): Pair;
  /** Requests under way end by themselves: calls by their deadline, watches by their timeout. */
  retire(pair: Pair): void;
  destroy(): Promise<void>;
}

function createPools(connections: number): Pools {
  const open = new Set<Dispatcher>();
  return {
    open: (access) => {
      const pair = { calls: createPool(access, connections), watches: createPool(access, null) };
      open.add(pair.calls).add(pair.watches);
      return pair;
    },
    retire: (pair) => {
      for (const pool of [pair.calls, pair.watches]) void pool.close().finally(() => open.delete(pool));
    },
    destroy: async () => {
      await Promise.all([...open].map(async (pool) => await pool.destroy()));
      open.clear();
    },
  };
}

function closedError(): ApiError {
  return new ApiError('the connection to the API server is closed', { code: 0, reason: 'Closed' });
}

function createPool(access: Access, connections: number | null): Dispatcher {
  const tls = { ...access.tls, timeout: connectTimeout, keepAlive: true, keepAliveInitialDelay: 30_000 };
  const options = {
    connections,
    // Measured: 5,485 calls a second over HTTP/1.1 connections against 3,198 over HTTP/2.
    allowH2: false,
    pipelining: 1,
    keepAliveTimeout: keepAlive,
    // How long an answer may take is decided in one place only, by the deadline of the request.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  if (access.proxy === undefined) return new Pool(access.server.origin, { ...options, connect: tls });
  return new ProxyAgent({ ...options, uri: access.proxy, requestTls: tls });
}

/** Equal for equal servers and key material: only a change of these needs new connections, a new token does not. */
function tlsFingerprint(access: Access): string {
  const { ca, cert, key, ...rest } = access.tls;
  const parts = [access.server.href, access.proxy, ca?.toString(), cert?.toString(), key?.toString(), rest];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
