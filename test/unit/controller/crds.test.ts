import { expect, test } from 'vitest';
import { dataSources, dataVolumes, storageProfiles } from '../../../shared/kube/resource.ts';
import { type Rendered, renderChart } from '../../support/helm/chart.ts';

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
}

interface Definition {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: { readonly kind: string; readonly plural: string; readonly shortNames?: readonly string[] };
    readonly versions: readonly {
      readonly name: string;
      readonly subresources?: { readonly status?: object };
      readonly additionalPrinterColumns?: readonly { readonly name: string; readonly jsonPath: string }[];
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

const definitions = new Map(
  (await renderChart())
    .filter(({ kind }) => kind === 'CustomResourceDefinition')
    .map((object) => object as Rendered & Definition)
    .map((object): [string, Definition] => [object.spec.names.plural, object]),
);

function definition(plural: string): Definition {
  const found = definitions.get(plural);
  if (found === undefined) throw new Error(`no definition of ${plural}`);
  return found;
}

function schemaOf(plural: string): Schema {
  const schema = definition(plural).spec.versions[0]?.schema.openAPIV3Schema;
  if (schema === undefined) throw new Error(`${plural} has no schema`);
  return schema;
}

/** Every node of a schema with the path that leads to it. */
function* nodes(schema: Schema, path = ''): Generator<{ readonly path: string; readonly schema: Schema }> {
  yield { path, schema };
  for (const [name, property] of Object.entries(schema.properties ?? {})) yield* nodes(property, `${path}.${name}`);
  if (schema.items !== undefined) yield* nodes(schema.items, `${path}[]`);
  if (schema.additionalProperties !== undefined) yield* nodes(schema.additionalProperties, `${path}{}`);
}

test.each([dataVolumes, dataSources, storageProfiles])(
  'the definition of $plural says what the client asks for',
  (kind) => {
    const { metadata, spec } = definition(kind.plural);

    expect(metadata.name).toBe(`${kind.plural}.${kind.group}`);
    expect(spec.group).toBe(kind.group);
    expect(spec.scope).toBe(kind.namespaced ? 'Namespaced' : 'Cluster');
    expect(spec.names.kind).toBe(kind.kind);
    expect(spec.versions.map(({ name }) => name)).toEqual([kind.version]);
    expect(spec.versions[0]?.subresources?.status).toBeDefined();
  },
);

test('no definition is without a client for it', () => {
  expect([...definitions.keys()].toSorted()).toEqual(['datasources', 'datavolumes', 'storageprofiles']);
});

test.each(['datavolumes', 'datasources', 'storageprofiles'])('the schema of %s is structural', (plural) => {
  const untyped = [...nodes(schemaOf(plural))].filter(
    ({ schema }) => schema.type === undefined && schema['x-kubernetes-int-or-string'] !== true,
  );
  const unknownRequired = [...nodes(schemaOf(plural))].filter(({ schema }) =>
    schema.required?.some((name) => schema.properties?.[name] === undefined),
  );

  expect(untyped).toEqual([]);
  expect(unknownRequired).toEqual([]);
});

test.each(['datavolumes', 'datasources', 'storageprofiles'])(
  'every field of %s that is ours is described',
  (plural) => {
    const silent = [...nodes(schemaOf(plural))]
      .filter(({ schema, path }) => schema.description === undefined && !/(\[\]|\{\}|\.metadata)$/.test(path))
      .map(({ path }) => path);

    expect(silent).toEqual([]);
  },
);

test('unknown fields are kept only below the sources of others', () => {
  const open = [...definitions.keys()].flatMap((plural) =>
    [...nodes(schemaOf(plural))]
      .filter(({ schema }) => schema['x-kubernetes-preserve-unknown-fields'] === true)
      .map(({ path }) => `${plural}${path}`),
  );

  expect(open).toEqual(
    ['blank', 'gcs', 'http', 'imageio', 'registry', 's3', 'upload', 'vddk'].map(
      (source) => `datavolumes.spec.source.${source}`,
    ),
  );
});

test('kubectl prints a DataVolume as its users know it', () => {
  const { names, versions } = definition('datavolumes').spec;

  expect(names.shortNames).toEqual(['dv', 'dvs']);
  expect(versions[0]?.additionalPrinterColumns?.map(({ name, jsonPath }) => [name, jsonPath])).toEqual([
    ['Phase', '.status.phase'],
    ['Progress', '.status.progress'],
    ['Restarts', '.status.restartCount'],
    ['Age', '.metadata.creationTimestamp'],
  ]);
  expect(definition('datasources').spec.names.shortNames).toEqual(['das']);
});

test('spec.pvc and spec.storage take the same sizes', () => {
  const sizes = ['pvc', 'storage'].map(
    (field) => schemaOf('datavolumes').properties?.['spec']?.properties?.[field]?.properties?.['resources'],
  );

  expect(sizes[0]).toBeDefined();
  expect(sizes[0]).toEqual(sizes[1]);
});
