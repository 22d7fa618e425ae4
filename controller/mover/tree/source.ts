import type { FileHandle } from 'node:fs/promises';
import type { Context } from '../context.ts';
import { CopyError } from '../failure.ts';
import type { Reader } from '../reading.ts';
import { type Description, describeAll, withContent } from './describe.ts';
import { type Survey, survey } from './survey.ts';
import { shown } from './walk.ts';

/** Where a tree comes from. */
export interface TreeSource {
  /** @throws CopyError when there is something that cannot be copied. */
  survey(): Promise<Survey>;
  /** The folder; none when it is not in this pod. */
  readonly folder: string | undefined;
  /** What rsync calls it, without a slash at the end. */
  readonly origin: string;
  /** Reads it again, in the order of the walk. */
  entries(): AsyncGenerator<SourceEntry, unknown>;
}

export interface SourceEntry extends Pick<Description, 'path' | 'text'> {
  /**
   * Reads the content again, and that of its copy. @returns the SHA-256 of both.
   * @throws CopyError when they are not the same.
   */
  verify(copy: FileHandle, reader: Reader): Promise<string>;
}

/** The source in this pod. */
export function localTree({ paths: { source }, user, signal }: Context): TreeSource {
  return {
    survey: async () => await survey(source, user, signal),
    folder: source,
    origin: source,
    entries: async function* entries() {
      for await (const entry of describeAll(source))
        yield { ...entry, verify: async (copy, reader) => await compare(source, entry, copy, reader) };
    },
  };
}

async function compare(root: string, entry: Description, copy: FileHandle, reader: Reader): Promise<string> {
  return await withContent(root, entry, async (file) => {
    const { digest, differsAt } = await reader.compare(file, copy, entry.size ?? 0n);
    if (differsAt === undefined) return digest;
    throw differs(entry.path, `its content does from byte ${differsAt} on`);
  });
}

/** @param path of the entry. @param how it does, in words that fit behind a colon. */
export function differs(path: string, how: string): CopyError {
  return new CopyError('CopyVerificationFailed', `the copy differs at ${shown(path)}: ${how}`);
}
