import { X509Certificate } from 'node:crypto';
import { type Authorities, parseAuthorities, trustedIn } from '../../../certs/authorities.ts';
import { AuthorityKeeper } from '../../../certs/authority.ts';
import { createOwnServing, type OwnServing } from '../../../certs/own.ts';
import type { Lifetimes } from '../../../certs/policy.ts';
import type { ServingMaterial } from '../../../certs/serving.ts';
import type { KubeObject, Stored, WebhookConfiguration } from '../../../shared/api/objects.ts';
import type { Client } from '../../../shared/kube/client.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import {
  mutatingConfigurations,
  type Resource,
  secrets,
  validatingConfigurations,
} from '../../../shared/kube/resource.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { FakeClock } from '../../support/clock.ts';
import { MemoryApi } from '../../support/memory-client.ts';

/** Replicas of the webhook with an authority of their own, the objects they share, and API servers that hear of changes late. */

export const minute = 60_000;
export const lifetimes: Lifetimes = { authority: 32 * minute, serving: 6 * minute, overlap: 4 * minute };
export const secret = { namespace: 'clonegate-system', name: 'ca' };
const configurations = [mutatingConfigurations, validatingConfigurations];

type Kept = Pick<Client, 'get' | 'create' | 'mergePatch' | 'apply'>;
export type Write = 'create' | 'mergePatch' | 'apply';

export interface Replica {
  readonly serving: OwnServing;
  readonly served: () => ServingMaterial | undefined;
  readonly started: () => boolean;
  readonly lines: readonly string[];
  kill(): void;
}

export class World {
  readonly clock = new FakeClock();
  readonly api = new MemoryApi();
  readonly replicas: Replica[] = [];
  readonly events: Emission[] = [];
  readonly metrics = createMetrics({ process: false });
  /** Called after each write was carried out; what it throws the writer gets instead of the answer. */
  afterWrite: (write: Write, by: Replica | undefined) => void = () => undefined;
  /** Called before each call of a replica. */
  beforeCall: (verb: string, by: Replica | undefined) => Promise<void> = async () => undefined;
  /** What was in force, and since when. */
  readonly #told = configurations.map((kind) => ({ kind, bundles: [] as { at: number; bundle: string }[] }));

  async configure(bundle = ''): Promise<void> {
    const caBundle = Buffer.from(bundle).toString('base64');
    for (const kind of configurations)
      await this.api
        .client()
        .create(kind, { metadata: { name: 'clonegate' }, webhooks: [{ name: 'one', clientConfig: { caBundle } }] });
    this.#hear();
  }

  /** Begins one; it works as soon as time goes on. */
  begin(): Replica {
    const lines: string[] = [];
    const stop = new AbortController();
    const state: { served?: ServingMaterial; started: boolean } = { started: false };
    const log = createLogger({ level: 'info', name: 'test', destination: { write: (line) => void lines.push(line) } });
    const self = (): Replica | undefined => replica;
    const keeper = new AuthorityKeeper({
      client: this.#client(self),
      clock: this.clock,
      log,
      metrics: this.metrics,
      recorder: { emit: (emission) => void this.events.push(emission) },
      namespace: secret.namespace,
      secret: secret.name,
      configuration: 'clonegate',
      lifetimes,
    });
    const { clock, metrics } = this;
    const serve = (material: ServingMaterial): void => {
      state.served = material;
    };
    const serving = createOwnServing({ keeper, lifetimes, names: ['webhook.test.svc'], clock, log, metrics, serve });
    const replica: Replica = {
      serving,
      lines,
      served: () => state.served,
      started: () => state.started,
      kill: () => {
        stop.abort(new Error('killed'));
        this.replicas.splice(this.replicas.indexOf(replica), 1);
      },
    };
    this.replicas.push(replica);
    void (async () => {
      await serving.start(stop.signal, () => undefined);
      state.started = true;
    })();
    return replica;
  }

  /** Lets time pass, and looks all the while whether a call could fail. @returns what would have failed, and when. */
  async pass(time: number): Promise<readonly string[]> {
    const failures: string[] = [];
    const step = 30_000;
    for (let passed = 0; passed < time; passed += step) {
      await this.clock.advance(step);
      this.#hear();
      failures.push(...this.#refused());
    }
    return failures;
  }

  get authorities(): Authorities | undefined {
    return parseAuthorities(this.api.read(secrets, secret).data);
  }

  /** What the API servers trust now. */
  get trusted(): readonly string[] {
    return trustedIn(this.#told[0]?.bundles.at(-1)?.bundle ?? '').map(({ fingerprint }) => fingerprint);
  }

  #client(by: () => Replica | undefined): Kept {
    const client = this.api.client(async ({ verb }) => await this.beforeCall(verb, by()));
    const wrote = <T>(write: Write, object: T): T => {
      this.#hear();
      this.afterWrite(write, by());
      return object;
    };
    return {
      get: client.get,
      create: async (kind, object) => wrote('create', await client.create(kind, object)),
      mergePatch: async (kind, ref, patch, options) =>
        wrote('mergePatch', await client.mergePatch(kind, ref, patch, options)),
      apply: async <T extends KubeObject>(kind: Resource<T>, object: T) => {
        const { name = '', resourceVersion = '' } = object.metadata;
        await this.beforeCall('apply', by());
        if (resourceVersion !== '' && this.api.read(kind, { name }).metadata.resourceVersion !== resourceVersion)
          throw new ApiError('changed', { code: 409, reason: 'Conflict' });
        const { webhooks } = object as WebhookConfiguration;
        return wrote<Stored<T>>('apply', await client.mergePatch(kind, { name }, { webhooks }));
      },
    };
  }

  #hear(): void {
    for (const { kind, bundles } of this.#told) {
      const caBundle = this.api.all(kind)[0]?.webhooks?.[0]?.clientConfig.caBundle ?? '';
      const bundle = Buffer.from(caBundle, 'base64').toString();
      // Where nothing is told yet, nobody expects an answer.
      if (bundle !== '' && bundles.at(-1)?.bundle !== bundle) bundles.push({ at: this.clock.elapsed(), bundle });
    }
  }

  /** Whom an API server would not talk to: one that is up to date, or has not heard of what changed in the last three minutes. */
  #refused(): string[] {
    const now = this.clock.now();
    const since = this.clock.elapsed() - 3 * minute;
    return this.#told.flatMap(({ kind, bundles }) => {
      const before = bundles.findLast(({ at }) => at <= since);
      const known = bundles.filter((each) => each === before || each.at > since);
      const started = this.replicas.filter((replica) => replica.started());
      return started.flatMap((replica, index) =>
        known
          .filter(({ bundle }) => !accepts(bundle, replica.served(), now))
          .map(({ at }) => `${kind.kind} of ${at} does not accept replica ${index} at ${now}`),
      );
    });
  }
}

/** As a client does: a certificate of the bundle signed it, and both are valid now. */
export function accepts(bundle: string, served: ServingMaterial | undefined, now: number): boolean {
  if (served === undefined || served.notAfter <= now) return false;
  const leaf = new X509Certificate(served.cert);
  return trustedIn(bundle).some(
    ({ certificatePem, notAfter }) => notAfter > now && leaf.verify(new X509Certificate(certificatePem).publicKey),
  );
}
