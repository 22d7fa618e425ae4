import { Pool } from 'undici';

/** Callers that each send the next request when they have the answer to the last: what is measured is then never our own queue. */

export interface Sample {
  readonly code: number;
  /** Milliseconds from handing the request to the connection until the whole answer was read. */
  readonly took: number;
}

export interface Run {
  readonly samples: readonly Sample[];
  /** Seconds from the first request to the last answer. */
  readonly seconds: number;
}

/** Sends requests 0 to `count` - 1, `inFlight` of them at any time. What `send` throws ends the run. */
export async function drive(count: number, inFlight: number, send: (index: number) => Promise<number>): Promise<Run> {
  const samples: Sample[] = [];
  let next = 0;
  const begin = performance.now();
  const caller = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const sent = performance.now();
      const code = await send(index);
      samples.push({ code, took: performance.now() - sent });
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, count) }, caller));
  return { samples, seconds: (performance.now() - begin) / 1000 };
}

export interface Caller {
  /** @returns HTTP status. */
  send(method: 'POST' | 'PATCH', path: string, body: object): Promise<number>;
  close(): Promise<void>;
}

/** A user with a token and as many kept-alive HTTP/1.1 connections as requests in flight. */
export function createCaller(server: string, ca: string, token: string, connections: number): Caller {
  const pool = new Pool(server, {
    connections,
    pipelining: 1,
    allowH2: false,
    connect: { ca },
    keepAliveTimeout: 60_000,
  });
  const types = { POST: 'application/json', PATCH: 'application/merge-patch+json' };
  return {
    send: async (method, path, body) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': types[method] };
      const answer = await pool.request({ method, path, headers, body: JSON.stringify(body) });
      await answer.body.dump();
      return answer.statusCode;
    },
    close: async () => await pool.destroy(),
  };
}
