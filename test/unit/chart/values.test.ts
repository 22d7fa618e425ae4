import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chartFolder, renderText } from '../../support/helm/chart.ts';
import { withValues } from './readme.ts';
import { documentedValues, resolve, type Schema, schema, schemaOf, type Value } from './values.ts';

/** What may be given, what is documented and what has an effect are the same. */

const values = documentedValues();
const leaves = values.filter(({ leaf }) => leaf);

describe('values.yaml', () => {
  test('tells of every value what it means', () => {
    expect(values.filter(({ doc }) => !/^[A-Z`].*\.$/.test(doc)).map(({ path }) => path)).toEqual([]);
  });

  test('has the values that the schema has, and no others', () => {
    const paths = new Set(values.map(({ path }) => path));
    const known = [...propertiesOf(schema, '')].filter((path) => path !== 'global' && !isInside(path));
    expect(known.filter((path) => !paths.has(path))).toEqual([]);
    for (const path of paths) expect(() => schemaOf(path)).not.toThrow();
  });

  test('is a table in the README', () => {
    const readme = readFileSync(join(chartFolder, 'README.md'), 'utf8');
    expect(readme).toBe(withValues(readme));
  });
});

/** Every group but those that are handed on as they are takes no unknown key. */
test('what nobody knows is refused, at every level', () => {
  const open = [...groupsOf(schema, '')].filter(([, group]) => group.additionalProperties !== false);
  expect(open.map(([path]) => path)).toEqual([]);
});

function isInside(path: string): boolean {
  return leaves.some((leaf) => path.startsWith(`${leaf.path}.`));
}

function* propertiesOf(at: Schema, prefix: string): Generator<string> {
  for (const [key, property] of Object.entries(resolve(at).properties ?? {})) {
    yield `${prefix}${key}`;
    yield* propertiesOf(property, `${prefix}${key}.`);
  }
}

function* groupsOf(at: Schema, path: string): Generator<readonly [string, Schema]> {
  const group = resolve(at);
  if (group.properties === undefined) return;
  yield [path, group];
  for (const [key, property] of Object.entries(group.properties)) yield* groupsOf(property, `${path}.${key}`);
}

/** Without these, a value below cannot have an effect. */
const settings: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^certificates\.existing\./, ['certificates.mode=json:"existing"', 'certificates.existing.secretName=json:"tls"']],
  [/^certificates\.certManager\./, ['certificates.mode=json:"certManager"']],
  [
    /^stampKeys\.files\./,
    [
      'stampKeys.mode=json:"files"',
      'stampKeys.files.webhookSecretName=json:"a"',
      'stampKeys.files.controllerSecretName=json:"b"',
    ],
  ],
  [/^metrics\.serviceMonitor\./, ['metrics.serviceMonitor.enabled=json:true']],
  [/^networkPolicy\./, ['networkPolicy.enabled=json:true']],
  [/^policies\.cloneSource\./, ['policies.cloneSource.enabled=json:true']],
  [/^policies\.guardAnnotations\./, ['policies.guardAnnotations.enabled=json:true']],
  [/^apiPriorityAndFairness\./, ['apiPriorityAndFairness.enabled=json:true']],
  [/^admission\.failurePolicy$/, ['mode=json:"shadow"']],
  [/^webhook\.hostNetwork$/, ['webhook.port=json:10251']],
];

/** Where no other value can be made up. */
const others: Readonly<Record<string, unknown>> = {
  'image.digest': `sha256:${'0'.repeat(64)}`,
  'certificates.mode': 'openshift',
  'certificates.existing.caBundle': '-----BEGIN CERTIFICATE-----',
  'certificates.certManager.issuerRef': { group: 'cert-manager.io', kind: 'Issuer', name: 'x' },
  'admission.url': 'https://clonegate.example.com',
  'stampKeys.mode': undefined,
  namespaces: ['x'],
  'admission.excludedNamespaces': ['x'],
  'service.ipFamilies': ['IPv6'],
  'webhook.extraArgs': ['--log-level=debug'],
  'controller.extraArgs': ['--log-level=debug'],
  imagePullSecrets: [{ name: 'x' }],
  'copy.priorityClasses': ['x'],
  'copy.tolerations': ['*'],
  'copy.bandwidth': '100M',
  extraObjects: [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } }],
  'policies.cloneSource.validationActions': ['Audit'],
  'policies.guardAnnotations.validationActions': ['Audit'],
};

function otherThan({ path, value }: Value): unknown {
  if (path in others) return others[path];
  const { enum: choices, pattern } = schemaOf(path);
  if (choices !== undefined) return choices.find((choice) => choice !== value);
  if (pattern?.includes('h|ms|m|s') === true) return '77s';
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value + 1;
  if (typeof value === 'string') return 'other';
  if (Array.isArray(value)) return [{ name: 'other' }];
  if (path.endsWith('.podDisruptionBudget')) return { enabled: false };
  if (path.endsWith('.serviceAccount')) return { annotations: { other: 'x' } };
  if (path.endsWith('.rollingUpdate')) return { maxSurge: 7 };
  if (path.endsWith('Probe')) return { periodSeconds: 7 };
  if (path.endsWith('.resources')) return { limits: { cpu: '7' } };
  return { other: 'x' };
}

describe('a value that is changed changes what is rendered', () => {
  const plain = new Map<string, Promise<string>>();
  const render = async (set: readonly string[]): Promise<string> => await renderText({ set });

  test.concurrent.each(leaves.filter((leaf) => otherThan(leaf) !== undefined))('$path', async (leaf) => {
    const wanted = settings.find(([pattern]) => pattern.test(leaf.path))?.[1] ?? [];
    const around = leaf.path.endsWith('.enabled') ? [] : wanted;
    const key = around.join(' ');
    const before = plain.get(key) ?? render(around);
    plain.set(key, before);
    expect(await render([...around, `${leaf.path}=json:${JSON.stringify(otherThan(leaf))}`])).not.toBe(await before);
  });
});
