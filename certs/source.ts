import type { Client } from '../shared/kube/client.ts';
import type { Recorder } from '../shared/kube/events.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import type { Component } from '../shared/process/run.ts';
import type { Settings } from '../shared/process/settings.ts';
import { AuthorityKeeper } from './authority.ts';
import { watchExpiry } from './expiry.ts';
import { createOwnServing } from './own.ts';
import { loadServing, type ServingFiles, type ServingMaterial, watchServing } from './serving.ts';

/** Where the serving certificate comes from, by the settings. */

export interface CertificateOptions {
  readonly settings: Settings<'webhook'>;
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch' | 'apply'>;
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** What {@link initialServing} gave. */
  readonly initial: ServingMaterial | undefined;
  /** Takes new material into service. */
  readonly serve: (material: ServingMaterial) => void;
}

/** What there is to serve with from the start; undefined when it is made later. @throws CertificateError for files that cannot be used. */
export async function initialServing(
  settings: Settings<'webhook'>,
  clock: Clock,
): Promise<ServingMaterial | undefined> {
  return settings.certificates === 'files' ? await loadServing({ ...filesOf(settings), clock }) : undefined;
}

/** Keeps something to serve with; to be started before anything is served. */
export function certificateComponents({ initial, ...options }: CertificateOptions): readonly Component[] {
  return initial === undefined ? fromOwnAuthority(options) : fromFiles({ ...options, initial });
}

type Parts = Omit<CertificateOptions, 'initial'>;

function fromFiles({ initial, ...options }: Parts & { readonly initial: ServingMaterial }): readonly Component[] {
  const { settings, serve } = options;
  let served = initial;
  const take = (material: ServingMaterial): void => {
    serve(material);
    served = material;
  };
  const about = { apiVersion: 'v1', kind: 'Pod', namespace: settings.namespace, name: settings.podName };
  const held = () => [{ role: 'leaf' as const, ...served }];
  return [
    watchServing({ ...options, ...filesOf(settings), current: initial, serve: take }),
    watchExpiry({ ...options, about, held }),
  ];
}

function filesOf({ tlsCertFile: certFile, tlsKeyFile: keyFile }: Settings<'webhook'>): ServingFiles {
  return { certFile, keyFile };
}

function fromOwnAuthority(options: Parts): readonly Component[] {
  const { namespace, caSecret: secret, webhookConfiguration: configuration, ...settings } = options.settings;
  const { caDuration: authority, certificateDuration: serving, caOverlap: overlap } = settings;
  const lifetimes = { authority, serving, overlap };
  const keeper = new AuthorityKeeper({ ...options, namespace, secret, configuration, lifetimes });
  const names = [`${settings.serviceName}.${namespace}.svc`, ...settings.certificateNames];
  const own = createOwnServing({ ...options, keeper, lifetimes, names });
  const about = { ...keeper.reference, namespace };
  return [own, watchExpiry({ ...options, about, held: own.held })];
}
