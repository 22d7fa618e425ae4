import { credentials, Metadata, type ServiceClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { loadCsi, type ServiceName } from './server.ts';

/** Calls a CSI driver over its socket. Answers have the names and forms that messages.ts tells of. */
export interface CsiClient {
  /**
   * @param answer the fields of the answer that the caller reads; they are not checked.
   * @throws ServiceError with the driver's gRPC code; DEADLINE_EXCEEDED after `deadlineMs`, 2 minutes when not given.
   */
  call<Answer = object>(service: ServiceName, method: string, request?: object, deadlineMs?: number): Promise<Answer>;
  close(): void;
}

type Unary = (
  request: object,
  metadata: Metadata,
  options: { readonly deadline: number },
  callback: (error: ServiceError | null, answer: object) => void,
) => void;

export async function createCsiClient(endpoint: string, proto: string): Promise<CsiClient> {
  const csi = await loadCsi(proto);
  const open = (constructor: ServiceClientConstructor) =>
    new constructor(`unix://${endpoint}`, credentials.createInsecure());
  const clients = { Identity: open(csi.Identity), Controller: open(csi.Controller), Node: open(csi.Node) };
  return {
    call: <Answer>(service: ServiceName, method: string, request: object = {}, deadlineMs = 120_000) => {
      const client = clients[service];
      const unary = client[method] as Unary | undefined;
      if (unary === undefined) throw new TypeError(`csi.v1.${service} has no method ${method}`);
      return new Promise<Answer>((resolve, reject) => {
        unary.call(client, request, new Metadata(), { deadline: Date.now() + deadlineMs }, (error, answer) =>
          error === null ? resolve(answer as Answer) : reject(error),
        );
      });
    },
    close: () => {
      for (const client of Object.values(clients)) client.close();
    },
  };
}
