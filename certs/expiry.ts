import type { ObjectReference } from '../shared/api/objects.ts';
import type { Recorder } from '../shared/kube/events.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import { createLookout } from '../shared/process/lookout.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Component } from '../shared/process/run.ts';

/** Tells when the certificates in use end, and raises its voice when nobody seems to replace them. */

export interface Dated {
  readonly role: 'ca' | 'leaf';
  readonly fingerprint: string;
  /** Milliseconds since the Unix epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface ExpiryOptions {
  readonly clock: Pick<Clock, 'now' | 'sleep'>;
  readonly log: Pick<Logger, 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'certificateExpiration'>;
  readonly recorder: Pick<Recorder, 'emit'>;
  /** What the events are about; its namespace is that of the events. */
  readonly about: ObjectReference & { readonly namespace: string };
  readonly held: () => readonly Dated[];
}

/** Milliseconds between two looks, which cost nothing. */
const pace = 10_000;

/** Whether less than a sixth of its life is left. Renewal is due when a third is left, so it has been failing for a while by then. */
export function isExpiring({ notBefore, notAfter }: Dated, now: number): boolean {
  return notAfter - now < (notAfter - notBefore) / 6;
}

export function watchExpiry(options: ExpiryOptions): Component {
  const { clock, log } = options;
  const told = new Set<string>();
  const look = async (): Promise<void> => {
    const held = options.held();
    for (const each of held) note(each, told, options);
    // What is not in use any more needs no memory.
    for (const known of told) if (!held.some(({ fingerprint }) => fingerprint === known)) told.delete(known);
  };
  const lookout = createLookout({
    name: 'certificate expiry',
    pace,
    clock,
    log,
    look,
    complaint: 'Certificates could not be looked at',
  });
  return {
    ...lookout,
    start: async (signal, fail) => {
      await look();
      await lookout.start(signal, fail);
    },
  };
}

function note(each: Dated, told: Set<string>, { clock, log, metrics, recorder, about }: ExpiryOptions): void {
  const { role, fingerprint, notAfter } = each;
  metrics.certificateExpiration.set({ role }, notAfter / 1000);
  if (told.has(fingerprint) || !isExpiring(each, clock.now())) return;
  told.add(fingerprint);
  const end = new Date(notAfter).toISOString();
  const what = role === 'ca' ? 'authority that signs' : 'serving certificate';
  log.warn({ fingerprint, notAfter: end }, `The ${what} was not replaced in time`);
  recorder.emit({
    namespace: about.namespace,
    regarding: about,
    reason: 'CertificateExpiring',
    action: 'Renew',
    type: 'Warning',
    note: `The ${what} ends at ${end} and should have been replaced by now. When it ends, no clone is admitted any more.`,
  });
}
