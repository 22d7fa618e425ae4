import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, writeJson } from './files.ts';
import { readMounts } from './mounttable.ts';

/**
 * Where each volume is published and with which access mode. The mount table knows the where, but not the mode, and
 * without the mode a restarted driver could not keep a second writer from a volume that has a single one.
 */
export interface Publications {
  /** Target path → access mode, of those targets that are still mounted. */
  of(volumeId: string): Promise<ReadonlyMap<string, string>>;
  add(volumeId: string, target: string, mode: string): Promise<void>;
  remove(volumeId: string, target: string): Promise<void>;
}

export async function openPublications(folder: string): Promise<Publications> {
  await mkdir(folder, { recursive: true });
  const leftovers = (await readdir(folder)).filter((name) => name.endsWith('.tmp'));
  await Promise.all(leftovers.map((name) => rm(join(folder, name))));
  const file = (volumeId: string) => join(folder, `${volumeId}.json`);

  const of = async (volumeId: string): Promise<ReadonlyMap<string, string>> => {
    const text = await readIfThere(file(volumeId));
    if (text === undefined) return new Map();
    const mounted = new Set((await readMounts()).map(({ target }) => target));
    const recorded = Object.entries(JSON.parse(text) as Record<string, string>);
    return new Map(recorded.filter(([target]) => mounted.has(target)));
  };
  const write = async (volumeId: string, modes: ReadonlyMap<string, string>): Promise<void> => {
    if (modes.size === 0) await rm(file(volumeId), { force: true });
    else await writeJson(file(volumeId), Object.fromEntries(modes));
  };

  return {
    of,
    add: async (volumeId, target, mode) => write(volumeId, new Map([...(await of(volumeId)), [target, mode]])),
    remove: async (volumeId, target) => {
      const modes = await of(volumeId);
      await write(volumeId, new Map([...modes].filter(([other]) => other !== target)));
    },
  };
}
