import { rm } from 'node:fs/promises';
import {
  type GrpcObject,
  type handleUnaryCall,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceClientConstructor,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import type { Clock } from '../../../shared/process/clock.ts';
import { CsiError } from './errors.ts';
import type { FaultInjector } from './faults.ts';
import type { VolumeContentSource } from './messages.ts';
import { removeDeadSocket } from './socket.ts';

/** The calls of one CSI service by name. Each trusts that its request has the shape that csi.proto gives it. */
export type Service = Readonly<Record<string, (request: never) => Promise<object>>>;

export interface ServerOptions {
  /** Path of the Unix socket. */
  readonly endpoint: string;
  /** Path of csi.proto. */
  readonly proto: string;
  readonly services: Readonly<Record<ServiceName, Service>>;
  readonly faults: FaultInjector;
  readonly clock: Clock;
  readonly log: (line: string) => void;
}

export type ServiceName = 'Identity' | 'Controller' | 'Node';

/** How long calls that are under way may take when the server stops. */
const GRACE_MS = 5000;

const QUIET = /^(?:Probe|Get.*|.*Get(?:Info|Capabilities|VolumeStats)|List.*|Validate.*)$/;

/** The services of csi.proto, both for serving and for calling them. */
export async function loadCsi(proto: string): Promise<Readonly<Record<ServiceName, ServiceClientConstructor>>> {
  const definition = await load(proto, { longs: String, enums: String, defaults: true, oneofs: true });
  const { csi } = loadPackageDefinition(definition) as { csi?: { v1?: GrpcObject } };
  if (csi?.v1 === undefined) throw new Error(`${proto} does not define the package csi.v1`);
  const { Identity, Controller, Node } = csi.v1;
  return { Identity, Controller, Node } as Record<ServiceName, ServiceClientConstructor>;
}

/**
 * Serves until `stop` is called, which lets calls under way end and then removes the socket.
 * @throws Error when another program serves at the endpoint.
 */
export async function startServer(options: ServerOptions): Promise<{ stop(): Promise<void> }> {
  const csi = await loadCsi(options.proto);
  const stopping = new AbortController();
  const server = new Server();
  for (const name of ['Identity', 'Controller', 'Node'] as const) {
    const calls = Object.entries(options.services[name]).map(([method, handle]) => [
      method,
      unary(method, handle, options, stopping.signal),
    ]);
    server.addService(csi[name].service, Object.fromEntries(calls));
  }
  await removeDeadSocket(options.endpoint);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${options.endpoint}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return {
    stop: async () => {
      stopping.abort(new CsiError(status.UNAVAILABLE, 'the driver is stopping'));
      await shutDown(server);
      await rm(options.endpoint, { force: true });
    },
  };
}

interface AnyRequest {
  readonly name?: string;
  readonly volumeId?: string;
  readonly snapshotId?: string;
  readonly volumeContentSource?: VolumeContentSource | null;
}

/** Wraps a call with what all calls have: faults before it, a log line after it, errors as gRPC knows them. */
function unary(
  method: string,
  handle: (request: never) => Promise<object>,
  { faults, clock, log }: ServerOptions,
  stopping: AbortSignal,
): handleUnaryCall<AnyRequest, object> {
  const line = (request: AnyRequest, began: number, outcome: string): void => {
    const subject = request.name || request.volumeId || request.snapshotId || '';
    log(`${method} ${subject}: ${outcome}, ${clock.now() - began} ms`);
  };
  const carryOut = async (call: ServerUnaryCall<AnyRequest, object>): Promise<object> => {
    const source = call.request.volumeContentSource ?? null;
    await faults.strike(method, source, AbortSignal.any([stopping, givenUp(call)]));
    return handle(call.request as never);
  };
  const serve = async (call: ServerUnaryCall<AnyRequest, object>, answer: sendUnaryData<object>): Promise<void> => {
    const began = clock.now();
    try {
      const response = await carryOut(call);
      if (!QUIET.test(method)) line(call.request, began, 'done');
      answer(null, response);
    } catch (error) {
      const { code, message } = toCsiError(error);
      if (!QUIET.test(method) || code === status.INTERNAL) line(call.request, began, `${status[code]} ${message}`);
      answer({ code, details: message });
    }
  };
  return (call, answer) => void serve(call, answer);
}

function givenUp(call: ServerUnaryCall<AnyRequest, object>): AbortSignal {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort(new CsiError(status.CANCELLED, 'the caller gave up')));
  return controller.signal;
}

function toCsiError(error: unknown): CsiError {
  if (error instanceof CsiError) return error;
  return new CsiError(status.INTERNAL, error instanceof Error ? error.message : String(error));
}

async function shutDown(server: Server): Promise<void> {
  const force = setTimeout(() => server.forceShutdown(), GRACE_MS);
  // An error here says only that the server was not running any more.
  await new Promise<void>((resolve) => {
    server.tryShutdown(() => resolve());
  });
  clearTimeout(force);
}
