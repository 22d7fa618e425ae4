import { type KubeObject, keyOf, type ObjectRef, type Secret } from '../shared/api/objects.ts';
import type { CallOptions, Client } from '../shared/kube/client.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../shared/kube/errors.ts';
import { getIfExists } from '../shared/kube/get.ts';
import { dataVolumes } from '../shared/kube/resource.ts';
import { belongsTo } from './children.ts';
import type { CreateEffect, DeleteEffect, Effect, PatchEffect } from './effects.ts';
import type { Expectations } from './expectations.ts';
import { refusal, type Target } from './refusal.ts';
import { type Wait, waitFor } from './steps/step.ts';

/** The only writer: carries effects out in order, and tells the expectations what it wrote. What it makes up itself, keys, it tells nobody. */

export type Applied =
  /** Everything is written. */
  | { readonly kind: 'written' }
  /** What the effects were made from is out of date: nothing more was written. */
  | { readonly kind: 'stale' }
  /** The API server will not have it as things stand. */
  | { readonly kind: 'refused'; readonly wait: Wait };

export interface Applier {
  /** @throws ApiError when the same may succeed later. */
  apply(key: string, effects: readonly Effect[], options?: CallOptions): Promise<Applied>;
}

type Expecting = Pick<Expectations, 'expect' | 'expectGone'>;
type Writer = Pick<Client, 'get' | 'create' | 'mergePatch' | 'remove'>;

/** @param newKey makes the text of a key; who makes no Secrets needs none. */
export function createApplier(client: Writer, expectations: Expecting, newKey: () => string = keyless): Applier {
  const hand = new Hand(client, expectations, newKey);
  return {
    apply: async (key, effects, options = {}) => {
      for (const effect of effects) {
        const done = await hand.carryOut(key, effect, options);
        if (done.kind !== 'written') return done;
      }
      return { kind: 'written' };
    },
  };
}

function keyless(): never {
  throw new Error('this writer makes no keys');
}

class Hand {
  readonly #client: Writer;
  readonly #expectations: Expecting;
  readonly #newKey: () => string;

  constructor(client: Writer, expectations: Expecting, newKey: () => string) {
    this.#client = client;
    this.#expectations = expectations;
    this.#newKey = newKey;
  }

  async carryOut(key: string, effect: Effect, options: CallOptions): Promise<Applied> {
    switch (effect.kind) {
      case 'create':
        return this.#create(key, effect, options);
      case 'patch':
        return this.#patch(key, effect, options);
      case 'delete':
        return this.#remove(key, effect, options);
    }
  }

  async #create(key: string, effect: CreateEffect, options: CallOptions): Promise<Applied> {
    const { resource, unseen, because } = effect;
    try {
      const made = await this.#client.create(resource, this.#complete(effect), options);
      if (unseen !== true) this.#expectations.expect(key, resource, made);
      return { kind: 'written' };
    } catch (error) {
      if (isAlreadyExists(error))
        return unseen === true ? { kind: 'written' } : await this.#adopt(key, effect, options);
      // Not the object's fault: others have written to a quota at the same time.
      return isConflict(error) ? { kind: 'stale' } : refused(error, { key, resource, ref: refIn(effect), because });
    }
  }

  #complete({ object, newKey }: CreateEffect): KubeObject {
    if (newKey === undefined) return object;
    const secret: Secret = { ...object, data: { [newKey]: Buffer.from(this.#newKey()).toString('base64') } };
    return secret;
  }

  /** Made by us, and only the answer was lost; or by somebody else, and then it is not touched. */
  async #adopt(key: string, effect: CreateEffect, options: CallOptions): Promise<Applied> {
    const { namespace = '', name = '' } = effect.object.metadata;
    const existing = await getIfExists(this.#client, effect.resource, { namespace, name }, options);
    if (existing === undefined) return { kind: 'stale' };
    if (!belongsTo(existing, effect)) return { kind: 'refused', wait: foreign(effect) };
    this.#expectations.expect(key, effect.resource, existing);
    return { kind: 'written' };
  }

  async #patch(key: string, effect: PatchEffect, options: CallOptions): Promise<Applied> {
    const { resource, ref, uid, resourceVersion, subresource } = effect;
    const preconditions = { uid, resourceVersion };
    const at = subresource === undefined ? {} : { subresource };
    try {
      const written = await this.#client.mergePatch(resource, ref, effect.patch, { ...options, preconditions, ...at });
      this.#expectations.expect(key, resource, written);
      return { kind: 'written' };
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return { kind: 'stale' };
      // There is nowhere to tell it when the DataVolume itself cannot be written.
      if (resource.plural === dataVolumes.plural) throw error;
      return refused(error, { key, resource, ref });
    }
  }

  async #remove(key: string, effect: DeleteEffect, options: CallOptions): Promise<Applied> {
    const { resource, ref, uid, resourceVersion } = effect;
    const preconditions = resourceVersion === undefined ? { uid } : { uid, resourceVersion };
    try {
      await this.#client.remove(resource, ref, { ...options, preconditions, propagation: 'Background' });
    } catch (error) {
      if (isConflict(error)) return { kind: 'stale' };
      throw error;
    }
    this.#expectations.expectGone(key, resource, ref, uid);
    return { kind: 'written' };
  }
}

function foreign({ resource, object }: CreateEffect): Wait {
  const what = `${resource.kind} ${keyOf({ namespace: object.metadata.namespace ?? '', name: object.metadata.name ?? '' })}`;
  // Nothing tells when somebody else's object goes, but for one of the DataVolume's own name.
  const message = `${what} exists and does not belong to this DataVolume`;
  return waitFor('Pending', 'ErrResourceExists', message, { retry: true });
}

function refIn({ object: { metadata } }: CreateEffect): ObjectRef {
  return { namespace: metadata.namespace ?? '', name: metadata.name ?? '' };
}

function refused(error: unknown, target: Target): Applied {
  return { kind: 'refused', wait: refusal(error, target) };
}
