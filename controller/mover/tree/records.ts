import { createHash } from 'node:crypto';

/** Hashes the records of a tree in their order, while the contents of some are still read. */

export interface Records {
  /** Waits for the oldest when too many are under way. @param text all of a record but the digest of its content. */
  add(text: string, content: Promise<string>): Promise<void>;
  /** Waits for all. @throws whatever the first of them that failed, in their order, did. */
  settle(): Promise<void>;
  /** Waits for all, whatever becomes of them. */
  abandon(): Promise<void>;
  digest(): string;
}

/** @param most that may be under way at the same time. */
export function createRecords(most: number): Records {
  const hash = createHash('sha256');
  const begun: { readonly text: string; readonly content: Promise<string> }[] = [];
  const settle = async (left: number): Promise<void> => {
    for (let oldest = begun[0]; oldest !== undefined && begun.length > left; oldest = begun[0]) {
      hash.update(`${oldest.text}${await oldest.content}\0\n`, 'latin1');
      begun.shift();
    }
  };
  return {
    add: async (text, content) => {
      // Nobody may be waiting for it yet when it fails.
      content.catch(() => undefined);
      begun.push({ text, content });
      await settle(most - 1);
    },
    settle: async () => await settle(0),
    abandon: async () => void (await Promise.allSettled(begun.map(({ content }) => content))),
    digest: () => hash.digest('hex'),
  };
}
