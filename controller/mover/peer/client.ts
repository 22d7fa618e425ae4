import type { ClientRequest, IncomingMessage } from 'node:http';
import { get } from 'node:https';
import type { Socket, SocketConstructorOpts } from 'node:net';
import { addAbortSignal } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';
import { copyPort } from '../../../shared/api/copy.ts';
import type { Context } from '../context.ts';
import { CopyError } from '../failure.ts';
import { clientTls } from './key.ts';
import { patiently } from './patience.ts';
import { calls, type Facts, longestLine, type Message, protocols, read, upgrade } from './protocol.ts';
import type { Pump } from './pump.ts';

/** Asks the export pod (protocol.ts). */
export interface Peer {
  /** Aborts when the source is not handed out any longer; its reason is the CopyError that the other pod has told, or that it is gone. */
  readonly lost: AbortSignal;
  facts(): Promise<Facts>;
  content(): AsyncGenerator<Message, undefined>;
  /** A connection with the tool at the other end that hands out a source of this kind, read through the pump. */
  connect(kind: Facts['kind'], pump: Pump): Promise<Socket>;
  close(): void;
}

export interface PeerOptions extends Pick<Context, 'clock' | 'signal' | 'log'> {
  /** IP address of the export pod. */
  readonly address: string;
  readonly key: Buffer;
}

/** Milliseconds in which the export pod has to be there: it runs already, but policies may take a while to let us through. */
const patience = 60_000;
/** Milliseconds for one answer to begin. */
const answerTimeout = 10_000;
/** Milliseconds without a sign of life. */
const silence = 30_000;

/** @throws CopyError when it cannot be reached, or does not have the key. */
export async function connectPeer(options: PeerOptions): Promise<Peer> {
  const { clock, signal, log, address } = options;
  const [lost, closed] = [new AbortController(), new AbortController()];
  const line: Line = { ...options, signal: AbortSignal.any([signal, lost.signal, closed.signal]) };
  const attempt = async (): Promise<IncomingMessage> => {
    try {
      return await ask(line, calls.watch, silence);
    } catch (error) {
      log.info({ err: error, address }, 'The export pod cannot be reached');
      throw error;
    }
  };
  const watching = await patiently(attempt, { clock, signal, within: patience, pause: 250, isFinal: isStranger });
  watch(line, watching).catch((error: unknown) => lost.abort(error));
  return {
    lost: lost.signal,
    facts: async () => await factsOf(line),
    content: () => messagesOf(line, calls.content),
    connect: async (kind, pump) => await connectTool(line, kind, pump),
    close: () => closed.abort(),
  };
}

/** One end of what leads to the export pod. */
type Line = Pick<PeerOptions, 'address' | 'key' | 'signal'>;

/** Never ends well: as long as it is well, it does not end. */
async function watch(line: Line, response: IncomingMessage): Promise<never> {
  for await (const message of messagesIn(line, response)) if (message.kind !== 'alive') throw nonsense(line);
  throw new CopyError('CopyPeerUnreachable', `${nameOf(line)} hung up`);
}

async function factsOf(line: Line): Promise<Facts> {
  for await (const message of messagesOf(line, calls.facts))
    if (message.kind === 'image' || message.kind === 'tree') return message;
  throw nonsense(line);
}

async function* messagesOf(line: Line, path: string): AsyncGenerator<Message, undefined> {
  yield* messagesIn(line, await ask(line, path, 0));
  return undefined;
}

/** @throws CopyError that the other pod tells, or that it broke off; the signal's reason when that aborts. */
async function* messagesIn(line: Line, response: IncomingMessage): AsyncGenerator<Message, undefined> {
  try {
    for await (const text of linesIn(response)) {
      const message = read(text);
      if (message === undefined) throw nonsense(line);
      if (message.kind === 'failed') throw message.error;
      if (message.kind === 'end') return undefined;
      yield message;
    }
  } catch (error) {
    line.signal.throwIfAborted();
    throw unreachable(line, error);
  }
  throw new CopyError('CopyPeerUnreachable', `${nameOf(line)} broke off in the middle`);
}

async function* linesIn(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of response.setEncoding('utf8')) {
    const lines = (rest + String(piece)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    if (rest.length > longestLine) throw new Error('a line that does not end');
  }
}

/** @param quiet milliseconds without a byte after which it is given up; 0: never. */
async function ask(line: Line, path: string, quiet: number): Promise<IncomingMessage> {
  return await new Promise((resolve, reject) => {
    const request = send(line, path, reject);
    request.once('response', (response) => {
      request.setTimeout(quiet);
      if (response.statusCode === 200) resolve(response);
      else request.destroy(new Error(`it answers ${path} with status ${response.statusCode}`));
    });
  });
}

/** Not by an HTTP client: its sockets cannot be read in another way than theirs. */
async function connectTool(line: Line, kind: Facts['kind'], pump: Pump): Promise<Socket> {
  const { address, key, signal } = line;
  const options: ConnectionOptions & Pick<SocketConstructorOpts, 'onread'> = {
    ...clientTls(key),
    host: address,
    port: copyPort,
    // Node's documentation has it, its types have not.
    onread: pump.onread,
  };
  const socket = connect(options);
  addAbortSignal(signal, socket);
  // So that the end of a machine is noticed on connections that are silent for long.
  socket.setKeepAlive(true, answerTimeout);
  socket.setNoDelay(true);
  socket.setTimeout(answerTimeout, () => socket.destroy(new Error('it does not answer')));
  const broken = new Promise<never>((_, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('it hung up')));
  });
  broken.catch(() => undefined);
  const wanted = upgrade.answer(protocols[kind]);
  socket.write(upgrade.request(protocols[kind]));
  try {
    const answer = await Promise.race([pump.first(wanted.length), broken]);
    if (answer.toString('latin1') !== wanted) throw nonsense(line);
  } catch (error) {
    socket.destroy();
    throw unreachable(line, error);
  }
  socket.setTimeout(0);
  return socket;
}

function send(line: Line, path: string, reject: (error: CopyError) => void): ClientRequest {
  const { address, key, signal } = line;
  const request = get({
    ...clientTls(key),
    host: address,
    port: copyPort,
    path,
    signal,
    agent: false,
    timeout: answerTimeout,
  });
  // So that the end of a machine is noticed on connections that are silent for long.
  request.setSocketKeepAlive(true, answerTimeout);
  request.on('timeout', () => request.destroy(new Error('it does not answer')));
  request.on('error', (error) => reject(unreachable(line, error)));
  return request;
}

function nameOf({ address }: Line): string {
  return `the export pod at ${address}`;
}

function nonsense(line: Line): CopyError {
  return new CopyError('CopyPeerUnreachable', `${nameOf(line)} says what an export pod of this version does not`, {
    retry: false,
  });
}

function unreachable(line: Line, error: unknown): CopyError {
  if (error instanceof CopyError) return error;
  const words = error instanceof Error ? error.message : String(error);
  const what = isStranger(error) ? 'does not have the key of this copy' : 'cannot be reached';
  return new CopyError('CopyPeerUnreachable', `${nameOf(line)} ${what}: ${words}`, { cause: error });
}

/** Whether it failed by what the other side said, and not on the way there: who does not have the key now will not have it later. */
function isStranger(error: unknown): boolean {
  const { cause = error } = error instanceof CopyError ? error : {};
  if (!(cause instanceof Error) || !('code' in cause)) return false;
  // The kernel's errors tell of the call that failed. What TLS says may come as one of them, and a reset as none.
  const isKernels = 'syscall' in cause && cause.code !== 'EPROTO';
  return !isKernels && cause.code !== 'ECONNRESET' && cause.code !== 'ABORT_ERR';
}
