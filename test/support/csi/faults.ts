import { status } from '@grpc/grpc-js';
import type { Clock } from '../../../shared/process/clock.ts';
import { CsiError } from './errors.ts';
import { type Fault, type Faults, faultId, parseFaults, type Strikes, strikesFile } from './faultfile.ts';
import { readIfThere, writeJson } from './files.ts';
import { createLocks } from './locks.ts';
import type { VolumeContentSource } from './messages.ts';

/** Does to calls what the faults file says at that moment. */
export interface FaultInjector {
  /**
   * To be awaited before a call is carried out.
   * @throws CsiError with the fault's code; INTERNAL when the faults file makes no sense; the signal's reason when the
   *   call is given up while it waits.
   */
  strike(method: string, source: VolumeContentSource | null, signal: AbortSignal): Promise<void>;
}

/** @param file the faults file; it need not exist. Undefined: no faults, ever. */
export function createFaultInjector(file: string | undefined, clock: Clock): FaultInjector {
  const locks = createLocks();
  return {
    strike: async (method, source, signal) => {
      if (file === undefined) return;
      // One at a time, so that of two calls at once exactly one meets a fault that strikes once.
      const fault = await locks.run([file], () => take(file, method, source));
      if (fault?.mode === 'delay') await clock.sleep(fault.ms, signal);
      else if (fault?.mode === 'hold') {
        while (await stands(file, method, fault)) await clock.sleep(pollMs, signal);
      } else if (fault !== undefined)
        throw new CsiError(status[fault.code], fault.message ?? 'a fault ordered by the test');
    },
  };
}

const pollMs = 50;

/** Whether the fault is still ordered. */
async function stands(file: string, method: string, fault: Fault): Promise<boolean> {
  const now = (await readFaults(file))[method];
  return now !== undefined && faultId(method, now) === faultId(method, fault);
}

/** Finds the fault that this call meets and counts it, before it takes effect: who sees the effect sees the count. */
async function take(file: string, method: string, source: VolumeContentSource | null): Promise<Fault | undefined> {
  const fault = (await readFaults(file))[method];
  if (fault === undefined || !concerns(fault, source)) return undefined;
  const id = faultId(method, fault);
  const strikes = await readStrikes(file);
  const struck = strikes[id] ?? 0;
  if (fault.mode === 'once' && struck > 0) return undefined;
  await writeJson(strikesFile(file), { ...strikes, [id]: struck + 1 });
  return fault;
}

/** How often each fault of this faults file struck. */
export async function readStrikes(file: string): Promise<Strikes> {
  const text = await readIfThere(strikesFile(file));
  return text === undefined ? {} : (JSON.parse(text) as Strikes);
}

async function readFaults(file: string): Promise<Faults> {
  const text = await readIfThere(file);
  try {
    return text === undefined ? {} : parseFaults(text);
  } catch (error) {
    throw new CsiError(status.INTERNAL, `${file}: ${(error as Error).message}`);
  }
}

function concerns(fault: Fault, source: VolumeContentSource | null): boolean {
  if (fault.source === undefined) return true;
  if (source === null) return false;
  return fault.source === 'any' || fault.source in source;
}
