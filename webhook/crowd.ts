import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../shared/process/clock.ts';
import { createSlots } from './slots.ts';

/**
 * Bounds for a crowd: however many connect, and however slowly they speak, calls of an API server get through and memory stays bounded.
 * Whoever reaches the port can be in the crowd; only an API server sends calls that are complete.
 */

export interface CrowdOptions {
  readonly clock: Clock;
  /** Told of each connection that was ended to make room. */
  readonly onCut: () => void;
}

/** An API server opens one connection for each call under way and handles a few hundred writes at a time; there may be several of them. */
const mostConnections = 1024;

export function boundCrowd(server: FastifyInstance, options: CrowdOptions, most = mostConnections): void {
  const busy = new Set<string>();
  const seats = new Map<string, Socket>();
  // By address and port, which the connection under TLS and the one over it have in common.
  const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
  const listener: Server = server.server;
  listener.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    seats.set(name, socket);
    socket.once('close', () => {
      if (seats.get(name) === socket) seats.delete(name);
    });
    if (seats.size <= most) return;
    const longest = silentForLongest(seats, busy);
    if (longest === undefined) return;
    seats.get(longest)?.destroy();
    seats.delete(longest);
    options.onCut();
  });
  // From the moment that the call is complete until it is answered, nothing is due from the other side.
  server.addHook('preHandler', async ({ raw }, reply) => {
    const name = nameOf(raw.socket);
    busy.add(name);
    reply.raw.once('close', () => {
      busy.delete(name);
      const socket = seats.get(name);
      if (socket === undefined || !seats.delete(name)) return;
      seats.set(name, socket);
    });
  });
  boundBodies(server, options.clock);
}

/** A Map keeps the order of insertion, so it is the first that is not busy; if all others are, the newcomer. */
function silentForLongest(seats: ReadonlyMap<string, Socket>, busy: ReadonlySet<string>): string | undefined {
  for (const name of seats.keys()) if (!busy.has(name)) return name;
  return undefined;
}

/** Bytes. A DataVolume has a few thousand; nearly every body is smaller than this. */
const ordinary = 64 * 1024;
/** Larger bodies that are in memory at a time: with the largest that may be, 56 MiB of text. */
const mostLarge = 8;
/** Milliseconds for a larger body to arrive once it is its turn; others wait for its place. */
const longestArrival = 5000;

/** Large bodies one after the other, so that many of them take time instead of memory. Ordinary ones do not wait for them. */
function boundBodies(server: FastifyInstance, clock: Clock): void {
  const slots = createSlots(mostLarge);
  server.addHook('onRequest', async ({ raw }, reply) => {
    if (lengthOf(raw) <= ordinary) return;
    const over = new AbortController();
    const ended = new Promise<void>((resolve) => {
      reply.raw.once('close', () => {
        over.abort();
        resolve();
      });
    });
    const free = await slots.take();
    void ended.then(free);
    void cutOff(raw, clock, over.signal);
  });
}

/** Ends a call whose body takes too long, unless it is over before. */
async function cutOff(call: IncomingMessage, clock: Clock, over: AbortSignal): Promise<void> {
  try {
    await clock.sleep(longestArrival, over);
  } catch {
    return;
  }
  if (!call.complete) call.destroy();
}

/** A body whose length is not told may be of any. */
function lengthOf({ headers }: IncomingMessage): number {
  const { 'content-length': text } = headers;
  return text === undefined ? Number.POSITIVE_INFINITY : Number(text);
}
