import type { FileHandle } from 'node:fs/promises';
import type { Peer } from '../peer/client.ts';
import type { Reader } from '../reading.ts';
import { originAt } from './plan.ts';
import { differs, type SourceEntry, type TreeSource } from './source.ts';
import type { Survey } from './survey.ts';

/** The source in the export pod. @param port on this machine from which connections lead to its rsync. */
export function remoteTree(surveyed: Survey, peer: Peer, port: number): TreeSource {
  return {
    survey: async () => await Promise.resolve(surveyed),
    folder: undefined,
    origin: originAt(port),
    entries: async function* entries() {
      for await (const message of peer.content()) if (message.kind === 'entry') yield entryOf(message);
    },
  };
}

function entryOf({ text, digest }: { readonly text: string; readonly digest: string }): SourceEntry {
  // Which of the fields it is: describe.ts.
  const path = text.split('\0')[6] ?? '';
  const verify = async (copy: FileHandle, reader: Reader): Promise<string> => {
    // What has another size has another text.
    const { size } = await copy.stat({ bigint: true });
    if ((await reader.digest(copy, size, 'destination')) === digest) return digest;
    throw differs(path, 'its content does');
  };
  return { path, text, verify };
}
