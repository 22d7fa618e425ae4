import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { status } from '@grpc/grpc-js';
import type { Clock } from '../../../shared/process/clock.ts';
import { CommandError } from './command.ts';
import { CsiError } from './errors.ts';
import { parseMedium } from './faultfile.ts';
import { readIfThere } from './files.ts';
import { unmount } from './mounts.ts';
import { isMounted } from './mounttable.ts';

/** Media that can be told to break, under the devices of volumes that are staged while the faults file has an entry `Medium`. */
export interface Media {
  /** Lays one on a file that is to become a device, if such a fault is ordered. @throws CsiError INTERNAL when that cannot be done. */
  lay(file: string): Promise<void>;
  /** Takes it away again, if there is one. Nothing may use it any more. */
  lift(file: string): Promise<void>;
}

const program = fileURLToPath(new URL('./medium-main.ts', import.meta.url));
const looks = 250;
const pauseMs = 20;

/** @param faults the faults file. Undefined: no medium ever breaks. */
export function createMedia(faults: string | undefined, clock: Clock): Media {
  return {
    lay: async (file) => {
      if (faults === undefined || (await mediumIn(faults)) === undefined) return;
      // It outlives the driver, as a disk would.
      const child = spawn(process.execPath, [program, file, faults], {
        detached: true,
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      child.unref();
      const over = new AbortController();
      once(child, 'exit', { signal: over.signal }).then(
        () => over.abort(),
        () => undefined,
      );
      for (let look = 0; look < looks && !over.signal.aborted; look += 1) {
        if (await isMounted(file)) return over.abort();
        await clock.sleep(pauseMs);
      }
      child.kill('SIGKILL');
      throw new CsiError(status.INTERNAL, `no medium could be laid on ${file}; the driver's log tells why`);
    },
    lift: async (file) => {
      for (let look = 0; look < looks; look += 1) {
        try {
          return await unmount(file);
        } catch (error) {
          // The kernel closes the file of a device a moment after the device is gone.
          if (!(error instanceof CommandError)) throw error;
          await clock.sleep(pauseMs);
        }
      }
      await unmount(file);
    },
  };
}

async function mediumIn(faults: string): Promise<object | undefined> {
  const text = await readIfThere(faults);
  return text === undefined ? undefined : parseMedium(text);
}
