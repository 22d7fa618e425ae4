import { isObject, parseObject } from '../../shared/api/json.ts';
import { type Damage, damaged } from './bytes.ts';
import { reservedOf } from './canonical.ts';
import { type Change, changed, setAt } from './changes.ts';
import type { FuzzCluster, Trouble } from './cluster.ts';
import { type Lent, stored } from './lockbox.ts';
import type { Finding, Judgement, Oracle } from './oracle.ts';
import { createReview } from './review.ts';
import type { Rules } from './rights.ts';
import type { CreateScenario, Scenario, UpdateScenario } from './scenario.ts';
import type { Answer, Target } from './target.ts';

/** Plays one scenario as an API server would, and has every answer judged. */

export interface Stage {
  readonly cluster: FuzzCluster;
  /** A webhook for each set of rules. */
  readonly targets: Readonly<Record<Rules, Target>>;
  readonly oracle: Oracle;
  readonly lockbox: readonly Lent[];
}

/** One call and its answer. */
export interface Exchange {
  readonly path: 'mutate' | 'validate';
  readonly body: Buffer;
  readonly answer: Answer;
  /** Questions that it took to the authorizer. */
  readonly questions: number;
  readonly trouble: Trouble;
  readonly moved: FuzzCluster['moved'];
}

export interface Trial {
  readonly findings: readonly Finding[];
  readonly exchanges: readonly Exchange[];
  /** What became of the object in the end. */
  readonly ending: 'admitted clone' | 'admitted other' | 'updated' | 'refused';
}

export async function play(stage: Stage, scenario: Scenario): Promise<Trial> {
  const run = new Run(stage, scenario);
  try {
    return scenario.operation === 'CREATE' ? await run.create(scenario) : await run.update(scenario);
  } finally {
    Object.assign(stage.cluster, { trouble: {}, barrenBut: undefined, moved: undefined });
    stage.oracle.forget();
  }
}

class Run {
  readonly #stage: Stage;
  readonly #scenario: Scenario;
  readonly #target: Target;
  readonly #findings: Finding[] = [];
  readonly #exchanges: Exchange[] = [];

  constructor(stage: Stage, scenario: Scenario) {
    this.#stage = stage;
    this.#scenario = scenario;
    this.#target = stage.targets[scenario.rules];
    stage.oracle.rules = scenario.rules;
  }

  async create(scenario: CreateScenario): Promise<Trial> {
    const { namespace, metadata, wish, own, unseen, between, again, moved, created } = scenario;
    const manifest = { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', metadata, spec: wish.spec };
    let object = this.#changed(manifest, own);
    if (!unseen) object = await this.#mutate(namespace, object);
    object = this.#changed(object, between);
    if (again && !unseen) object = await this.#mutate(namespace, object);
    this.#stage.cluster.moved = moved;
    const { allowed, sent } = await this.#call(
      'validate',
      this.#review(namespace, this.#completed(object, namespace, created)),
    );
    const isClone = sent !== undefined && JSON.stringify(reservedOf(sent.object)) !== '{}';
    if (scenario.twins) await this.#askTwins();
    return this.#ended(!allowed ? 'refused' : isClone ? 'admitted clone' : 'admitted other');
  }

  async update({ of, before, after }: UpdateScenario): Promise<Trial> {
    const { namespace, object } = this.#lent(of) ?? { namespace: 'tenant-a', object: {} };
    const oldObject = this.#changed(object, before);
    const body = this.#review(namespace, this.#changed(oldObject, after), oldObject);
    // Mutating webhooks are called for creates alone.
    const { allowed } = await this.#call('validate', body);
    return this.#ended(allowed ? 'updated' : 'refused');
  }

  #ended(ending: Trial['ending']): Trial {
    return { findings: this.#findings, exchanges: this.#exchanges, ending };
  }

  #lent(index: number): Lent | undefined {
    const { lockbox } = this.#stage;
    return lockbox[index % lockbox.length];
  }

  #changed(object: unknown, changes: readonly Change[]): unknown {
    return changed(object, changes, (index) => reservedOf(this.#lent(index)?.object));
  }

  /** As the API server completes it before the validating webhooks see it. */
  #completed(object: unknown, namespace: string, created: number | string): unknown {
    const { now } = this.#target;
    const time = typeof created === 'number' ? new Date(now + created * 1000).toISOString() : created;
    if (!isObject(object) || !isObject(object['metadata'])) return object;
    const named = setAt(stored(object, now), ['metadata', 'namespace'], namespace);
    return setAt(named, ['metadata', 'creationTimestamp'], time);
  }

  #review(namespace: string, object: unknown, oldObject?: unknown): unknown {
    const { dryRun, review } = this.#scenario;
    const user = this.#scenario.operation === 'CREATE' ? this.#scenario.wish.user : this.#scenario.user;
    const uid = `call-${this.#exchanges.length}`;
    return this.#changed(createReview({ uid, user, namespace, object, oldObject, dryRun }), review);
  }

  /** The object with the patch; or as it was, when there is none. */
  async #mutate(namespace: string, object: unknown): Promise<unknown> {
    const judged = await this.#call('mutate', this.#review(namespace, object));
    // What damage has made of the body is what the webhook was asked about; the requester's object is still another one.
    return this.#scenario.damage.mutate === undefined && isObject(judged.object) ? judged.object : object;
  }

  async #call(path: Exchange['path'], review: unknown): Promise<Judgement> {
    const damage: readonly Damage[] = this.#scenario.damage[path] ?? [];
    const body = damaged(Buffer.from(JSON.stringify(review) ?? ''), damage);
    const { cluster, oracle } = this.#stage;
    const exchange = await this.#send(path, body, this.#scenario.trouble[path] ?? {}, cluster.moved);
    this.#exchanges.push(exchange);
    const judged = path === 'mutate' ? oracle.mutated(body, exchange.answer) : oracle.validated(body, exchange.answer);
    this.#findings.push(...judged.findings);
    return judged;
  }

  async #send(path: Exchange['path'], body: Buffer, trouble: Trouble, moved: FuzzCluster['moved']): Promise<Exchange> {
    const { cluster } = this.#stage;
    Object.assign(cluster, { trouble, moved });
    const before = cluster.questions;
    const answer = await this.#target.post(path, body);
    return { path, body, answer, questions: cluster.questions - before, trouble, moved };
  }

  /** Whoever has no right gets the same answers, with as many questions behind them, in a cluster where none of it exists. */
  async #askTwins(): Promise<void> {
    const { cluster, oracle } = this.#stage;
    for (const { path, body, answer, questions, trouble, moved } of this.#exchanges) {
      cluster.moved = moved;
      const outsider = oracle.outsider(body);
      if (outsider === undefined) continue;
      cluster.barrenBut = outsider.target;
      const twin = await this.#send(path, body, trouble, moved);
      cluster.barrenBut = undefined;
      if (shown(twin.answer) !== shown(answer))
        this.#findings.push({ kind: 'unrightful', what: `${path} tells whether the source exists by its answer` });
      else if (outsider.isStranger && twin.questions !== questions)
        this.#findings.push({
          kind: 'unrightful',
          what: `${path} tells whether the source exists by the time it takes`,
        });
    }
  }
}

/** What the requester gets to see: all but the audit annotations, which only administrators read. */
function shown({ code, body }: Answer): string {
  const review = parseObject(body);
  if (!isObject(review?.['response'])) return `${code} ${body}`;
  const { auditAnnotations: _, ...response } = review['response'];
  return JSON.stringify([code, response]);
}
