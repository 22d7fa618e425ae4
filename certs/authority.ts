import { labels } from '../shared/api/names.ts';
import type { ObjectReference, Secret, Stored } from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import { isAlreadyExists, isConflict } from '../shared/kube/errors.ts';
import type { Recorder } from '../shared/kube/events.ts';
import { getIfExists } from '../shared/kube/get.ts';
import { secrets } from '../shared/kube/resource.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Metrics } from '../shared/process/metrics.ts';
import { type Authorities, authorityOf, bundleOf, parseAuthorities, type Trusted, textsOf } from './authorities.ts';
import { bundlesOf, type Configured, publishBundle, readConfigurations } from './bundle.ts';
import { CertificateError } from './errors.ts';
import { issueAuthority } from './issue.ts';
import { type Lifetimes, nextStep, type Step } from './policy.ts';

/**
 * Keeps the webhook's own authority: in a Secret that all replicas share, replaced in time and with an overlap. Replicas need no leader:
 * every write says on what version of its object it builds, so that one of several equal ones succeeds and the others look again.
 */

export interface AuthorityOptions {
  readonly client: Pick<Client, 'get' | 'create' | 'mergePatch' | 'apply'>;
  readonly clock: Pick<Clock, 'now' | 'elapsed'>;
  readonly log: Pick<Logger, 'info'>;
  readonly metrics: Pick<Metrics, 'certificateRotations'>;
  readonly recorder: Pick<Recorder, 'emit'>;
  readonly namespace: string;
  readonly secret: string;
  /** Name of both webhook configurations. */
  readonly configuration: string;
  readonly lifetimes: Lifetimes;
}

/** What one look has found, after all was done that there was to do. */
export interface Found {
  readonly authorities: Authorities;
  /** See {@link View.settled}. */
  readonly settled: number;
}

/** Writes in one look, at most: the longest way is create, publish, and each a second time after a conflict. More is left to the next one. */
const mostWrites = 8;

export class AuthorityKeeper {
  readonly #options: AuthorityOptions;
  #remembered: Authorities | undefined;
  /** What was seen in force the last time, and since when, by `clock.elapsed()`. */
  #inForce: { readonly bundle: string; readonly since: number } | undefined;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /** The Secret, for events about it. */
  get reference(): ObjectReference {
    const { namespace, secret } = this.#options;
    return { apiVersion: 'v1', kind: 'Secret', namespace, name: secret };
  }

  /** Looks at the Secret and the configurations and does what is to be done. @throws ApiError, CertificateError */
  async look(): Promise<Found> {
    for (let writes = 0; writes < mostWrites; writes += 1) {
      const found = await this.#once();
      if (found !== undefined) return found;
    }
    throw new CertificateError('others change the Secret or the configurations of the webhook all the time');
  }

  /** @returns undefined after a write, or after another replica's: then the next look is to tell how things are. */
  async #once(): Promise<Found | undefined> {
    const { client, namespace, secret: name, configuration, clock, lifetimes } = this.#options;
    // In this order: had the Secret changed and been published after the first read, publishing what it held before would be refused as a
    // conflict. So no replica that was slow can take back what another one has told.
    const configured = await readConfigurations(client, configuration);
    const secret = await getIfExists(client, secrets, { namespace, name });
    const kept = secret === undefined ? undefined : this.#parse(secret);
    const bundles = bundlesOf(configured);
    const wanted = kept === undefined ? undefined : bundleOf(kept);
    const settled = this.#settle(wanted, bundles);
    const now = clock.now();
    const step = nextStep({ kept, remembered: this.#remembered, bundles, wanted, settled, now }, lifetimes);
    this.#remembered = kept ?? this.#remembered;
    if (step.do === 'rest' && kept !== undefined) return { authorities: kept, settled };
    try {
      await this.#carryOut(step, secret, configured);
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) throw error;
    }
    return undefined;
  }

  #settle(wanted: string | undefined, bundles: readonly string[]): number {
    const elapsed = this.#options.clock.elapsed();
    if (wanted === undefined || bundles.some((bundle) => bundle !== wanted)) this.#inForce = undefined;
    else if (this.#inForce?.bundle !== wanted) this.#inForce = { bundle: wanted, since: elapsed };
    return this.#inForce === undefined ? 0 : elapsed - this.#inForce.since;
  }

  #parse({ data }: Secret): Authorities | undefined {
    const { namespace, secret } = this.#options;
    try {
      return parseAuthorities(data);
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      const mend = 'put an authority there that can be used, or delete the Secret to have a new one made';
      throw new CertificateError(`Secret ${namespace}/${secret}: ${error.message}; ${mend}`);
    }
  }

  async #carryOut(step: Step, secret: Stored<Secret> | undefined, configured: readonly Configured[]): Promise<void> {
    switch (step.do) {
      case 'create':
        await this.#write(secret, { current: this.#make(), previous: step.trusted, since: this.#now });
        this.#tell('The webhook has a new authority', step.trusted);
        break;
      case 'begin':
        await this.#write(secret, { ...step.from, next: this.#make() });
        this.#options.log.info('A new authority of the webhook is published beside the old one');
        break;
      case 'promote':
        await this.#write(secret, step.to);
        this.#tell('The new authority of the webhook signs', step.to.previous);
        break;
      case 'drop':
        await this.#write(secret, step.to);
        this.#options.log.info('The previous authority of the webhook is trusted no longer');
        break;
      case 'publish':
        await publishBundle(this.#options.client, configured, step.bundle);
        this.#options.log.info('API servers are told whom to trust');
        break;
      case 'rest':
        break;
    }
  }

  /** Into the Secret as it was read. @throws ApiError `Conflict` or `AlreadyExists` when another was faster. */
  async #write(secret: Stored<Secret> | undefined, authorities: Authorities): Promise<void> {
    const { client, namespace, secret: name } = this.#options;
    const texts = Object.entries(textsOf(authorities));
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    if (secret === undefined) {
      const data = Object.fromEntries(
        texts.flatMap(([key, text]) => (text === undefined ? [] : [[key, base64(text)]])),
      );
      const metadata = { namespace, name, labels: { [labels.managedBy]: 'clonegate' } };
      await client.create(secrets, { metadata, type: 'Opaque', data });
      return;
    }
    const data = Object.fromEntries(texts.map(([key, text]) => [key, text === undefined ? null : base64(text)]));
    const { uid, resourceVersion } = secret.metadata;
    await client.mergePatch(secrets, { namespace, name }, { data }, { preconditions: { uid, resourceVersion } });
  }

  #make() {
    const days = this.#options.lifetimes.authority / (24 * 60 * 60 * 1000);
    const { certificatePem, privateKeyPem } = issueAuthority({ commonName: 'clonegate', days, now: this.#now });
    return authorityOf(certificatePem, privateKeyPem);
  }

  #tell(sentence: string, previous: readonly Trusted[]): void {
    const { metrics, recorder, namespace, log } = this.#options;
    metrics.certificateRotations.inc({ role: 'ca', result: 'success' });
    log.info({ previous: previous.map(({ fingerprint }) => fingerprint) }, sentence);
    recorder.emit({
      namespace,
      regarding: this.reference,
      reason: 'CertificateRotated',
      action: 'Rotate',
      type: 'Normal',
      note: `${sentence}. ${previous.length === 0 ? 'No' : previous.length} previous ${previous.length === 1 ? 'one is' : 'ones are'} trusted until the certificates in use are replaced.`,
    });
  }

  get #now(): number {
    return this.#options.clock.now();
  }
}
