import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { type Clock, systemClock } from '../../../shared/process/clock.ts';
import { type Fault, type FaultMethod, type Medium, parseFaults, strikesFile } from './faultfile.ts';
import { readStrikes } from './faults.ts';
import { writeJson } from './files.ts';

export type { Fault, FaultMethod, Medium } from './faultfile.ts';

/** A fault that was set, to be waited for. */
export interface SetFault {
  readonly method: FaultMethod;
  readonly id: string;
}

/** The test's side of a faults file. One per file: it owns the file and remembers what stands in it. */
export interface FaultControl {
  /** Puts a fault on a method, in place of the one it had; in force from the next call on. */
  set(method: FaultMethod, fault: Fault): Promise<SetFault>;
  /**
   * Puts a medium that can break under the volumes that are staged from now on, and breaks it, and those that are in use, as told: `{}` for
   * not at all. Undefined: volumes that are staged from now on have none, and those that are in use are whole.
   */
  setMedium(medium: Medium | undefined): Promise<void>;
  /** Takes the fault off one method, or off all of them. */
  clear(method?: FaultMethod): Promise<void>;
  /** How often a fault struck so far. */
  strikes(fault: SetFault): Promise<number>;
  /**
   * Resolves once a fault struck `times` times (default 1). For a delay that is when the waiting begins.
   * @throws Error when that has not happened after `deadlineMs` (default 4 minutes).
   */
  struck(fault: SetFault, options?: { readonly times?: number; readonly deadlineMs?: number }): Promise<void>;
  /** Takes all faults off and removes the files. */
  dispose(): Promise<void>;
}

const POLL_MS = 20;

/** @param file what the driver was given as `--faults`. */
export function createFaultControl(file: string, clock: Clock = systemClock): FaultControl {
  const faults = new Map<FaultMethod, Fault>();
  let medium: Medium | undefined;
  const write = () =>
    writeJson(file, { ...Object.fromEntries(faults), ...(medium === undefined ? {} : { Medium: medium }) });
  const strikes = async ({ id }: SetFault): Promise<number> => (await readStrikes(file))[id] ?? 0;

  return {
    set: async (method, fault) => {
      // An id of its own for each: setting the same fault again makes it strike again.
      const id = fault.id ?? randomUUID();
      const withId: Fault = { ...fault, id };
      parseFaults(JSON.stringify({ [method]: withId }));
      faults.set(method, withId);
      await write();
      return { method, id };
    },
    setMedium: async (wanted) => {
      parseFaults(JSON.stringify({ Medium: wanted ?? {} }));
      medium = wanted;
      await write();
    },
    clear: async (method) => {
      if (method === undefined) faults.clear();
      else faults.delete(method);
      await write();
    },
    strikes,
    struck: async (fault, { times = 1, deadlineMs = 240_000 } = {}) => {
      const deadline = clock.now() + deadlineMs;
      for (let count = await strikes(fault); count < times; count = await strikes(fault)) {
        if (clock.now() >= deadline) {
          throw new Error(`the fault on ${fault.method} struck ${count} of ${times} times within ${deadlineMs} ms`);
        }
        await clock.sleep(POLL_MS);
      }
    },
    dispose: async () => {
      faults.clear();
      medium = undefined;
      await rm(file, { force: true });
      await rm(strikesFile(file), { force: true });
    },
  };
}
