import { objectsOf, type Rendered, renderText } from './helm/chart.ts';

/** The shipped ValidatingAdmissionPolicies and their bindings, as far as tests look at them. */

interface Expression {
  readonly name: string;
  readonly expression: string;
}

export interface PolicyManifest extends Rendered {
  readonly kind: 'ValidatingAdmissionPolicy' | 'ValidatingAdmissionPolicyBinding';
  readonly spec: {
    readonly failurePolicy?: string;
    readonly matchConditions?: readonly Expression[];
    readonly variables?: readonly Expression[];
    readonly validations?: readonly { readonly expression: string; readonly message?: string }[];
    readonly policyName?: string;
    readonly validationActions?: readonly string[];
  };
}

/** Both, as the chart renders them with its defaults. */
export async function renderPolicies(): Promise<string> {
  return await renderText({
    set: ['policies.cloneSource.enabled=true', 'policies.guardAnnotations.enabled=true'],
    only: ['policies/clone-source.yaml', 'policies/guard-annotations.yaml'],
  });
}

export async function readPolicies(): Promise<readonly PolicyManifest[]> {
  return objectsOf(await renderPolicies()) as readonly PolicyManifest[];
}
