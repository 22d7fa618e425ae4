import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  type GrpcObject,
  type handleUnaryCall,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { load } from '@grpc/proto-loader';
import { removeDeadSocket } from './socket.ts';

export interface RegistrationOptions {
  /** Path of a Unix socket in the kubelet's folder `plugins_registry`, which it watches. */
  readonly socket: string;
  /** Path of the api.proto that defines `pluginregistration.Registration`. */
  readonly proto: string;
}

interface RegistrationStatus {
  readonly pluginRegistered: boolean;
  readonly error: string;
}

/**
 * What a kubelet asks of a driver that appears: its name and where it serves. In a cluster, a sidecar of its own usually answers.
 * @returns what makes the kubelet forget the driver.
 */
export async function startRegistration(
  { socket, proto }: RegistrationOptions,
  { name, endpoint }: { readonly name: string; readonly endpoint: string },
  log: (line: string) => void,
): Promise<{ stop(): Promise<void> }> {
  const getInfo: handleUnaryCall<object, object> = (_, answer) =>
    answer(null, { type: 'CSIPlugin', name, endpoint, supportedVersions: ['1.0.0'] });
  const notify: handleUnaryCall<RegistrationStatus, object> = ({ request }, answer) => {
    log(
      request.pluginRegistered ? 'the kubelet knows this driver' : `the kubelet refuses this driver: ${request.error}`,
    );
    answer(null, {});
  };
  const server = new Server();
  server.addService((await registrationService(proto)).service, { GetInfo: getInfo, NotifyRegistrationStatus: notify });
  await mkdir(dirname(socket), { recursive: true });
  await removeDeadSocket(socket);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  return {
    stop: async () => {
      server.forceShutdown();
      await rm(socket, { force: true });
    },
  };
}

async function registrationService(proto: string): Promise<ServiceClientConstructor> {
  const definition = loadPackageDefinition(await load(proto, { longs: String, defaults: true }));
  const { Registration } = definition['pluginregistration'] as GrpcObject;
  return Registration as ServiceClientConstructor;
}
