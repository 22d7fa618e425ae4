import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedCluster } from '../../support/cluster/shared.ts';
import { until } from '../../support/cluster/until.ts';
import { applyChart } from '../../support/helm/apply.ts';
import { type PolicyManifest, readPolicies } from '../../support/policies.ts';

/** kube-controller-manager holds every expression of a policy against the definition of DataVolume. */

const cluster = sharedCluster();
const policies = (await readPolicies()).filter(({ kind }) => kind === 'ValidatingAdmissionPolicy');

beforeAll(async () => await applyChart(cluster, ({ kind }) => kind === 'CustomResourceDefinition'));
afterAll(async () => await cluster.close());

interface Checked {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly typeChecking?: { readonly expressionWarnings?: readonly { readonly warning: string }[] };
  };
}

/** Of a copy that no binding puts in force. */
async function warningsOf(policy: PolicyManifest): Promise<readonly string[]> {
  const name = `${policy.metadata.name}-${randomBytes(3).toString('hex')}`;
  const path = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
  await cluster.api.post(path, { ...policy, metadata: { name } });
  try {
    const status = await until(`the type check of ${name}`, async () => {
      const checked = await cluster.api.get<Checked>(`${path}/${name}`);
      return checked.status?.observedGeneration === checked.metadata.generation && checked.status;
    });
    return (status.typeChecking?.expressionWarnings ?? []).map(({ warning }) => warning);
  } finally {
    await cluster.kubectl(['delete', 'validatingadmissionpolicy', name]);
  }
}

/**
 * The checker reports on validations alone. So each condition and variable becomes one as well, and is checked the same.
 * @param further a validation that is added behind them.
 */
function checkedWhole({ spec, ...policy }: PolicyManifest, ...further: readonly string[]): PolicyManifest {
  const others = [...(spec.matchConditions ?? []), ...(spec.variables ?? [])].map(
    ({ expression }) => `dyn(${expression}) != null`,
  );
  const added = [...others, ...further].map((expression) => ({ expression }));
  return { ...policy, spec: { ...spec, validations: [...(spec.validations ?? []), ...added] } };
}

test.each(policies.map((policy) => [policy.metadata.name, policy] as const))(
  '%s speaks of fields that a DataVolume has, and of their types',
  async (_, policy) => {
    // The checker says nothing at all while it does not know the definition yet, so it is first seen to find a fault.
    await until('a fault to be found', async () => {
      const warnings = await warningsOf(checkedWhole(policy, 'has(object.spec.source.snapshots)'));
      return warnings.join('\n').includes("undefined field 'snapshots'");
    });
    expect(await warningsOf(checkedWhole(policy))).toEqual([]);
  },
);
