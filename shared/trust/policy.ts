/** By which rules somebody may clone. The webhook asks by them at admission, the controller asks by the same again before it begins. */
export interface AccessPolicy {
  /** Whether a source in the DataVolume's own namespace takes a right at all; `skip` is CDI's rule. */
  readonly sameNamespace: 'ask' | 'skip';
  /**
   * Whoever may create pods in the source's namespace can mount a claim there and read it anyway, so CDI lets them clone. For a snapshot it
   * takes the right to create claims as well, which is what it would be restored to. (CDI asks for `pvcs`, the name of no resource, so
   * that in practice only a rule with a star passes; what is meant is asked for here.)
   */
  readonly podCreatorsMayClone: boolean;
  /**
   * By which review the question is put: one that may ask about the whole cluster, or one that is made in the source's namespace and can
   * only ask about that. The authorizers are the same and so is the answer; the latter takes no more than a Role there.
   */
  readonly reviews: 'cluster' | 'namespace';
}

/** The rule that allowed it. `datavolumes/source`: the right to clone itself. */
export const accessRules = ['datavolumes/source', 'pods', 'same-namespace'] as const;
export type AccessRule = (typeof accessRules)[number];

/** The rules without any of CDI's exceptions. */
export const strictPolicy: AccessPolicy = { sameNamespace: 'ask', podCreatorsMayClone: false, reviews: 'cluster' };

/** From the settings that both programs have. */
export function accessPolicyOf(settings: {
  readonly authorizationSameNamespace: AccessPolicy['sameNamespace'];
  readonly podCreatorsMayClone: boolean;
  readonly namespaces: readonly string[];
}): AccessPolicy {
  return {
    sameNamespace: settings.authorizationSameNamespace,
    podCreatorsMayClone: settings.podCreatorsMayClone,
    reviews: settings.namespaces.length === 0 ? 'cluster' : 'namespace',
  };
}
