import type { Duplex } from 'node:stream';
import type { Facts, Message } from './protocol.ts';

/** What an export pod hands out, once it is there to be read. */
export interface Offer {
  readonly facts: Facts;
  /** Reads it again. @throws CopyError when that fails. */
  content(): AsyncGenerator<Message, unknown>;
  /** Has the tool that hands it out at the other end of a connection, until that ends. */
  relay(connection: Duplex): Promise<void>;
  /** Rejects when it is not to be read any longer. */
  readonly over: Promise<never>;
  /** Lets go of the source. */
  close(): Promise<void>;
}
