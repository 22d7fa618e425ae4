import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cloneSourcerRole } from '../../../shared/api/names.ts';
import { majors } from '../../support/helm/binaries.ts';
import { chartFolder, type Rendered, renderChart, renderText, runHelm } from '../../support/helm/chart.ts';
import { rightsOf } from '../../support/rights.ts';

/** What the chart renders in each of its modes, by both majors of Helm. */

const ci = readdirSync(join(chartFolder, 'ci')).toSorted();
const fileOf = (name: string): string => join(chartFolder, 'ci', name);
const kinds = (objects: readonly Rendered[], kind: string): readonly Rendered[] =>
  objects.filter((object) => object.kind === kind);

describe.each(majors)('%s', (helm) => {
  test('finds nothing to complain about', async () => {
    for (const file of ci) {
      const { stdout, stderr } = await runHelm(['lint', '--strict', chartFolder, '--values', fileOf(file)], helm);
      expect(`${stdout}${stderr}`).toContain('1 chart(s) linted, 0 chart(s) failed');
    }
  });

  test.each(ci)('renders %s the same for the oldest and the newest Kubernetes, and twice the same', async (file) => {
    const [oldest, newest, again] = await Promise.all(
      ['1.30.0', '1.36.3', '1.36.3'].map(
        async (kubeVersion) => await renderText({ helm, files: [fileOf(file)], kubeVersion }),
      ),
    );
    expect(newest).toBe(oldest);
    expect(again).toBe(newest);
    expect(newest).toContain('kind: Deployment');
  });

  test('refuses a Kubernetes that is too old', async () => {
    await expect(renderChart({ helm, kubeVersion: '1.29.9' })).rejects.toThrow(/1\.30\.0-0/);
  });
});

test('both majors render the same', async () => {
  const [four, three] = await Promise.all(majors.map(async (helm) => await renderChart({ helm })));
  const named = (objects: readonly Rendered[] = []): readonly string[] =>
    objects.map((object) => JSON.stringify(object)).toSorted();
  expect(named(four)).toEqual(named(three));
});

test.for<[string, readonly string[], RegExp]>([
  ['executor clonegate beside CDI', [], /Set executor=cdi, or remove CDI first/],
  ['a Secret that is not named', ['certificates.mode=existing'], /certificates\.existing\.secretName is empty/],
  ['keys that are not named', ['stampKeys.mode=files'], /stampKeys\.mode=managed/],
  ['open doors', ['admission.failurePolicy=Ignore'], /Take Fail, or mode=shadow/],
  ["the kubelet's port", ['webhook.hostNetwork=true'], /Set webhook\.port/],
  ['a budget without a bound', ['webhook.podDisruptionBudget.minAvailable='], /both empty/],
  ['a budget with two', ['controller.podDisruptionBudget.maxUnavailable=1'], /both set/],
  ['a budget that blocks drains', ['webhook.replicas=1'], /no node with one of its pods could be drained/],
  ['a value that does not exist', ['webhook.replica=3'], /replica/],
])('%s is refused with a way out', async ([what, set, message]) => {
  const apiVersions = what.includes('CDI') ? ['cdi.kubevirt.io/v1beta1/CDI'] : [];
  await expect(renderChart({ set, apiVersions })).rejects.toThrow(message);
});

describe('where CDI carries clones out', async () => {
  const objects = await renderChart({
    files: [fileOf('cdi-values.yaml')],
    apiVersions: ['cdi.kubevirt.io/v1beta1/CDI'],
  });

  test('its definitions and roles are left to it', () => {
    expect(kinds(objects, 'CustomResourceDefinition')).toEqual([]);
    const names = kinds(objects, 'ClusterRole').map(({ metadata }) => metadata.name);
    expect(names.toSorted()).toEqual([cloneSourcerRole, 'clonegate-controller', 'clonegate-webhook'].toSorted());
  });

  test('the controller may make nothing for users', () => {
    const made = rightsOf(objects, 'clonegate-controller').filter(({ verb }) => verb === 'create');
    expect(new Set(made.map(({ resource }) => resource))).toEqual(
      new Set(['events', 'leases', 'secrets', 'configmaps']),
    );
  });
});

describe('copies over the network', () => {
  const ofThem = (objects: Awaited<ReturnType<typeof renderChart>>): readonly string[] =>
    rightsOf(objects, 'clonegate-controller')
      .filter(({ resource, role }) => resource === 'networkpolicies' || (resource === 'secrets' && role !== ownRole))
      .map(({ verb, resource, namespace = 'everywhere' }) => `${verb} ${resource} ${namespace}`)
      .toSorted();
  const ownRole = 'Role clonegate-controller';

  test('take the right to make Secrets and policies, and no other on these', async () => {
    expect(ofThem(await renderChart())).toEqual(['create networkpolicies everywhere', 'create secrets everywhere']);
    const files = [fileOf('namespaced-values.yaml')];
    expect(ofThem(await renderChart({ files }))).toEqual(
      ['golden-images', 'team-a']
        .flatMap((place) => [`create networkpolicies ${place}`, `create secrets ${place}`])
        .toSorted(),
    );
  });

  test('that are not wanted take none', async () => {
    for (const files of [[], [fileOf('namespaced-values.yaml')]])
      expect(ofThem(await renderChart({ files, set: ['copy.network=false'] }))).toEqual([]);
  });
});

describe('limited to namespaces', async () => {
  const objects = await renderChart({ files: [fileOf('namespaced-values.yaml')] });
  const withoutNamespace = new Set(
    [
      'persistentvolumes volumesnapshotcontents storageclasses csidrivers storageprofiles volumesnapshotclasses',
      'namespaces mutatingwebhookconfigurations validatingwebhookconfigurations',
    ].flatMap((words) => words.split(' ')),
  );

  test.each(['clonegate-webhook', 'clonegate-controller'])('%s may do nothing in any other', (account) => {
    const rights = rightsOf(objects, account);
    const everywhere = rights.filter(({ namespace }) => namespace === undefined);
    expect(everywhere.filter(({ resource }) => !withoutNamespace.has(resource))).toEqual([]);
    const places = new Set(rights.flatMap(({ namespace }) => namespace ?? []));
    expect(
      [...places].filter((place) => !['team-a', 'golden-images', 'clonegate-system', 'audit'].includes(place)),
    ).toEqual([]);
    const claims = rights.filter(({ verb, resource }) => verb === 'get' && resource === 'persistentvolumeclaims');
    expect(claims.map(({ namespace }) => namespace)).toEqual(['team-a', 'golden-images']);
  });

  test('API servers call for these alone', () => {
    const [selected] = kinds(objects, 'ValidatingWebhookConfiguration').map((object) =>
      JSON.stringify(object['webhooks']),
    );
    expect(selected).toContain('"operator":"In","values":["team-a","golden-images"]');
  });
});

test.each([
  ['cert-manager-values.yaml', 'cert-manager.io/inject-ca-from'],
  ['openshift-values.yaml', 'service.beta.openshift.io/inject-cabundle'],
])('%s: whom to trust is written by others, and the webhook has no right to', async (file, annotation) => {
  const objects = await renderChart({ files: [fileOf(file)] });
  for (const kind of ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration']) {
    const [configuration] = kinds(objects, kind);
    expect(configuration?.metadata.annotations).toHaveProperty([annotation]);
    expect(JSON.stringify(configuration)).not.toContain('caBundle');
  }
  const groups = rightsOf(objects, 'clonegate-webhook').map(({ group }) => group);
  expect(groups).not.toContain('admissionregistration.k8s.io');
});
