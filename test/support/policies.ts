import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';

/** The shipped ValidatingAdmissionPolicies and their bindings, as far as tests look at them. */

interface Expression {
  readonly name: string;
  readonly expression: string;
}

export interface PolicyManifest {
  readonly apiVersion: string;
  readonly kind: 'ValidatingAdmissionPolicy' | 'ValidatingAdmissionPolicyBinding';
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly failurePolicy?: string;
    readonly matchConditions?: readonly Expression[];
    readonly variables?: readonly Expression[];
    readonly validations?: readonly { readonly expression: string; readonly message?: string }[];
    readonly policyName?: string;
    readonly validationActions?: readonly string[];
  };
}

const manifests = new URL('../../charts/clonegate/manifests/', import.meta.url);

export const policyFiles: readonly string[] = ['policy-clone-source.yaml', 'policy-guard-annotations.yaml'].map(
  (file) => fileURLToPath(new URL(file, manifests)),
);

export function readPolicies(): readonly PolicyManifest[] {
  const texts = policyFiles.map((file) => readFileSync(file, 'utf8'));
  return texts.flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as PolicyManifest));
}
