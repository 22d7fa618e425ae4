import { isObject, type JsonObject } from '../../shared/api/json.ts';
import { patchedObject, readAnswer } from './answer.ts';
import { canonical, canonicalSpec, reservedOf, withoutReserved } from './canonical.ts';
import { reserved } from './changes.ts';
import type { FuzzCluster } from './cluster.ts';
import { type Named, needNotClone, readBody, type Sent, sourcesOf } from './request.ts';
import { controllerUser, has, type Identity, mayClone, type Rules, rights, type Source } from './rights.ts';
import type { Answer } from './target.ts';

/**
 * Judges the answers of the webhook, by what the bodies say and by who may clone what. It knows what a stamp is good for, but not what is
 * in one: it remembers for whom and for what each was handed out, and everything else is a forgery.
 */

export interface Finding {
  readonly kind: 'crash' | 'unrightful';
  readonly what: string;
}

/** For whom and for what a stamp was handed out. */
interface Issued {
  readonly user: Identity;
  readonly namespace: string;
  readonly name: unknown;
  readonly generateName: unknown;
  /** The source in the words of the object. */
  readonly words: string;
  /** Where these words led at the time. */
  readonly source: Source | undefined;
  readonly annotations: JsonObject;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

export interface Judgement {
  readonly findings: readonly Finding[];
  readonly allowed: boolean;
  /** What was sent, as it was understood; `undefined` for what is no JSON. */
  readonly sent: Sent | undefined;
  /** Mutate: the object with the patch. */
  readonly object: unknown;
}

/** Seconds between stamp and creation. */
const window = 60;
/** Characters of a generateName that a generated name begins with, and of the suffix. */
const prefixLength = 58;
const suffixLength = 5;

export class Oracle {
  readonly #cluster: FuzzCluster;
  readonly #now: () => number;
  readonly #lasting = new Map<string, Issued>();
  #passing = new Map<string, Issued>();
  /** By which rules somebody may clone, for this trial. */
  rules: Rules = 'strict';

  constructor(cluster: FuzzCluster, now: () => number) {
    this.#cluster = cluster;
    this.#now = now;
  }

  /** Stamps handed out since the last call of {@link forget} are remembered for good: they may be replayed at any time. */
  keep(): void {
    for (const [stamp, issued] of this.#passing) this.#lasting.set(stamp, issued);
    this.forget();
  }

  /** One trial is over. */
  forget(): void {
    this.#passing = new Map();
  }

  mutated(body: Buffer, answer: Answer): Judgement {
    const sent = readBody(body);
    const { faults, allowed, operations } = readAnswer(answer, sent, body.length);
    const findings = faults.map(crash);
    if (!allowed || sent === undefined) return { findings, allowed, sent, object: sent?.object };
    if (operations.some(({ path }) => !path.startsWith('/metadata/annotations')))
      findings.push(crash('the patch touches more than annotations'));
    try {
      const object = patchedObject(sent.object, operations);
      if (withoutReserved(object) !== withoutReserved(sent.object))
        findings.push(crash('the patch changes what is not ours'));
      if (operations.length > 0) findings.push(...this.#issued(sent, object));
      return { findings, allowed, sent, object };
    } catch (error) {
      return { findings: [...findings, crash(`the patch does not fit: ${String(error)}`)], allowed, sent, object: {} };
    }
  }

  /** Takes note of a new stamp, and of who got it. */
  #issued(sent: Sent, object: unknown): readonly Finding[] {
    const annotations = reservedOf(object);
    const { [reserved.stamp]: stamp } = annotations;
    if (typeof stamp !== 'string' || reservedOf(sent.object)[reserved.stamp] === stamp) return [];
    const [named, ...others] = sourcesOf(sent.object, sent.namespace, this.#cluster);
    const { name, generateName } = metadataOf(sent.object);
    this.#passing.set(stamp, {
      user: sent.user,
      namespace: sent.namespace,
      name: name === '' ? undefined : (name ?? undefined),
      generateName,
      words: named?.words ?? 'nothing',
      source: named?.source,
      annotations,
      at: this.#now(),
    });
    return named !== undefined && others.length === 0 && this.#mayHave(sent, named.source)
      ? []
      : [
          unrightful(
            `mutate stamped ${named?.words ?? 'no clone'} for ${print(sent.user.username)}, who may not clone it`,
          ),
        ];
  }

  #mayHave({ user, namespace }: Pick<Sent, 'user' | 'namespace'>, source: Source | undefined): boolean {
    return source !== undefined && mayClone(user, source, namespace, this.rules);
  }

  validated(body: Buffer, answer: Answer): Judgement {
    const sent = readBody(body);
    const { faults, allowed } = readAnswer(answer, sent, body.length);
    const findings = faults.map(crash);
    if (!allowed) return { findings, allowed, sent, object: sent?.object };
    if (sent === undefined)
      return { findings: [...findings, unrightful('allowed what is no JSON')], allowed, sent, object: undefined };
    const wrong = sent.operation === 'UPDATE' ? this.#updateFaults(sent) : this.#createFaults(sent);
    return { findings: [...findings, ...wrong.map(unrightful)], allowed, sent, object: sent.object };
  }

  /** Why a create should not have been allowed. */
  #createFaults(sent: Sent): readonly string[] {
    const sources = sourcesOf(sent.object, sent.namespace, this.#cluster);
    const [named] = sources;
    if (named === undefined) return [];
    if (sources.length > 1) return ['allowed a clone of several sources'];
    // An empty text is as good as none.
    const isStamped = (reservedOf(sent.object)[reserved.stamp] ?? '') !== '';
    if (!isStamped && needNotClone(sent.object)) return [];
    const issued = this.#stampOn(sent);
    if (issued === undefined) return [`allowed a clone of ${named.words} with a stamp that was never handed out`];
    const mayHave = (source: Source | undefined): boolean =>
      this.#mayHave({ user: issued.user, namespace: sent.namespace }, source);
    const isClosed = issued.source !== undefined && this.#cluster.isClosed(issued.source);
    return [
      ...(isClosed ? [`allowed a clone of ${issued.words}, which is closed`] : []),
      ...differences(issued, sent, named, mayHave),
    ];
  }

  #stampOn({ object }: Sent): Issued | undefined {
    const stamp = reservedOf(object)[reserved.stamp];
    return typeof stamp === 'string' ? (this.#passing.get(stamp) ?? this.#lasting.get(stamp)) : undefined;
  }

  /** Why an update should not have been allowed. */
  #updateFaults(sent: Sent): readonly string[] {
    const { object, oldObject, namespace, user } = sent;
    const isClone = [object, oldObject].some((one) => sourcesOf(one, namespace, this.#cluster).length > 0);
    if (!isClone) return [];
    const [before, after] = [canonicalSpec(oldObject), canonicalSpec(object)];
    const ours = canonical(reservedOf(object)) !== canonical(reservedOf(oldObject));
    return [
      ...(before === after || before === undefined || after === undefined ? [] : ['allowed an update of the spec']),
      ...this.#beginningFaults(sent),
      ...(ours && user.username !== controllerUser
        ? [`allowed ${print(user.username)} an update of reserved annotations`]
        : []),
    ];
  }

  /** Why an update that makes a clone of what need not be one should not have been allowed. */
  #beginningFaults(sent: Sent): readonly string[] {
    const { object, oldObject, namespace } = sent;
    const isGoing = (metadataOf(oldObject)['deletionTimestamp'] ?? null) !== null;
    if (!needNotClone(oldObject) || needNotClone(object) || isGoing) return [];
    return sourcesOf(object, namespace, this.#cluster).flatMap(({ words, source }) => [
      ...(this.#mayHave(sent, source)
        ? []
        : [`allowed an update that begins a clone of ${words} without the right to it`]),
      ...(source !== undefined && this.#cluster.isClosed(source)
        ? [`allowed an update that begins a clone of ${words}, which is closed`]
        : []),
    ]);
  }

  /**
   * What somebody without the right to what the body asks for must not find out: whether it exists, neither by the answer nor by the
   * time that it takes. `undefined` for everybody else.
   */
  outsider(body: Buffer): Outsider | undefined {
    const sent = readBody(body);
    if (sent === undefined || sent.operation !== 'CREATE') return undefined;
    const { object, namespace, user } = sent;
    const sources = sourcesOf(object, namespace, this.#cluster);
    const stamped = this.#stampOn(sent);
    // What was stamped is what is cloned, wherever a DataSource leads by now.
    const known = [...sources.map(({ source }) => source), ...(stamped === undefined ? [] : [stamped.source])];
    if (sources.length === 0 || known.some((source) => this.#mayHave(sent, source))) return undefined;
    const { name } = metadataOf(object);
    return {
      target: `${namespace}/${typeof name === 'string' ? name : ''}`,
      isStranger: sources.every(({ via }) => via === undefined || rights.every((right) => !has(user, right, via))),
    };
  }
}

/** Somebody without the right to what a body asks for. */
interface Outsider {
  /** The DataVolume (`namespace/name`): whether a claim of its name exists is another question. */
  readonly target: string;
  /** Has no right in the place of the DataSource either, so that even the time that an answer takes has to be the same. */
  readonly isStranger: boolean;
}

/**
 * What a stamp was handed out for, and what it is shown with. The user is compared by name: the API server sends one identity to both
 * webhooks, and whoever shows the stamp of a namesake makes the clone that the namesake may make.
 */
function differences(
  issued: Issued,
  sent: Sent,
  { words, source }: Named,
  mayHave: (source: Source | undefined) => boolean,
): readonly string[] {
  const { name, generateName, creationTimestamp } = metadataOf(sent.object);
  const annotations = reservedOf(sent.object);
  const apart = typeof creationTimestamp === 'string' ? Math.abs(Date.parse(creationTimestamp) - issued.at) / 1000 : 0;
  const called =
    issued.name === undefined
      ? generateName === issued.generateName && isGenerated(name, generateName)
      : name === issued.name;
  // A decision that was put off is made later, so nothing depends on its words yet.
  const chosen = issued.annotations[reserved.cloneType];
  const checks: readonly (readonly [fine: boolean, what: string])[] = [
    [mayHave(issued.source), `allowed ${print(sent.user.username)} a clone without the right to the source`],
    [words.startsWith('DataSource') || mayHave(source), `allowed a clone of ${words}, which the user may not clone`],
    [issued.words === words, `allowed a clone of ${words} with a stamp for ${issued.words}`],
    [
      issued.user.username === sent.user.username,
      `allowed ${print(sent.user.username)} with a stamp of ${print(issued.user.username)}`,
    ],
    [issued.namespace === sent.namespace && called, `allowed ${print(name)} with a stamp for ${print(issued.name)}`],
    [apart <= window, `allowed with a stamp made ${apart} seconds before or after`],
    [annotations[reserved.cloneType] === chosen, 'allowed with another cloneType than was decided'],
    [
      chosen === undefined || annotations[reserved.decision] === issued.annotations[reserved.decision],
      'allowed with another decision than was made',
    ],
    [outcomeOf(issued) !== 'refused', 'allowed what was decided to be refused'],
  ];
  return checks.filter(([fine]) => !fine).map(([, what]) => what);
}

function outcomeOf({ annotations }: Issued): unknown {
  const text = annotations[reserved.decision];
  const record: unknown = typeof text === 'string' ? JSON.parse(text) : undefined;
  return isObject(record) ? record['outcome'] : undefined;
}

function isGenerated(name: unknown, generateName: unknown): boolean {
  if (typeof name !== 'string' || typeof generateName !== 'string' || generateName === '') return false;
  const prefix = generateName.slice(0, prefixLength);
  return name.startsWith(prefix) && name.length === prefix.length + suffixLength;
}

function metadataOf(object: unknown): JsonObject {
  return isObject(object) && isObject(object['metadata']) ? object['metadata'] : {};
}

function crash(what: string): Finding {
  return { kind: 'crash', what };
}

function unrightful(what: string): Finding {
  return { kind: 'unrightful', what };
}

function print(value: unknown): string {
  return JSON.stringify(value) ?? 'nobody';
}
