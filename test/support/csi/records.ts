import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, writeJson } from './files.ts';

/**
 * A folder of things that each have a backing file `<id>` and their metadata `<id>.json` beside it.
 *
 * The metadata is what makes a thing exist: it is written last and removed first. A program killed at any moment leaves
 * either a whole thing, or a file without metadata, which is nothing and is cleared away at the next start.
 */
export interface Records<T> {
  file(id: string): string;
  get(id: string): Promise<T | undefined>;
  /** All of them, ordered by id. */
  list(): Promise<readonly T[]>;
  /** `fill` makes the backing file at the path it is given; when it throws, nothing stays. */
  create(id: string, record: T, fill: (path: string) => Promise<void>): Promise<void>;
  update(id: string, record: T): Promise<void>;
  /** Removing what is not there is no error. */
  remove(id: string): Promise<void>;
}

const METADATA = '.json';

/** Opens the folder, making it when it is not there, and clears away what a killed program left half done. */
export async function openRecords<T>(folder: string): Promise<Records<T>> {
  await mkdir(folder, { recursive: true });
  await sweep(folder);
  const file = (id: string) => join(folder, id);
  const metadata = (id: string) => join(folder, `${id}${METADATA}`);

  const get = async (id: string): Promise<T | undefined> => {
    const text = await readIfThere(metadata(id));
    return text === undefined ? undefined : (JSON.parse(text) as T);
  };

  return {
    file,
    get,
    list: async () => {
      const ids = (await readdir(folder)).filter((name) => name.endsWith(METADATA)).toSorted();
      const records = await Promise.all(ids.map((name) => get(name.slice(0, -METADATA.length))));
      // One that was removed since the folder was read is no longer in the list, rather than an error.
      return records.filter((record) => record !== undefined) as T[];
    },
    create: async (id, record, fill) => {
      const partial = `${file(id)}.partial`;
      try {
        await fill(partial);
        await rename(partial, file(id));
        await writeJson(metadata(id), record);
      } catch (error) {
        await rm(partial, { force: true });
        await rm(file(id), { force: true });
        throw error;
      }
    },
    update: (id, record) => writeJson(metadata(id), record),
    remove: async (id) => {
      await rm(metadata(id), { force: true });
      await rm(file(id), { force: true });
    },
  };
}

async function sweep(folder: string): Promise<void> {
  const names = new Set(await readdir(folder));
  const isWhole = (name: string) => name.endsWith(METADATA) || names.has(`${name}${METADATA}`);
  await Promise.all([...names].filter((name) => !isWhole(name)).map((name) => rm(join(folder, name))));
}
