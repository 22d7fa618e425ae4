/** Kubernetes' OpenAPI description, made into one JSON schema for each kind as kubeconform wants them, in which nothing unknown is allowed. */

export interface SwaggerSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, SwaggerSchema>>;
  readonly items?: SwaggerSchema;
  readonly additionalProperties?: SwaggerSchema | boolean;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly oneOf?: readonly SwaggerSchema[];
  readonly 'x-kubernetes-group-version-kind'?: readonly {
    readonly group: string;
    readonly version: string;
    readonly kind: string;
  }[];
}

export interface Swagger {
  readonly definitions: Readonly<Record<string, SwaggerSchema>>;
}

/** Kinds that every group has (DeleteOptions, WatchEvent), and that nobody applies. */
const ofAllGroups = 3;

/** By the names under which kubeconform looks for them: `deployment-apps-v1`, `service-v1`. */
export function standaloneSchemas({ definitions }: Swagger): ReadonlyMap<string, SwaggerSchema> {
  const found = new Map<string, SwaggerSchema>();
  for (const [name, definition] of Object.entries(definitions)) {
    const kinds = definition['x-kubernetes-group-version-kind'] ?? [];
    if (definition.properties === undefined || kinds.length > ofAllGroups) continue;
    for (const { group, version, kind } of kinds) {
      const part = group === '' ? '' : `${group.split('.')[0]}-`;
      found.set(`${kind.toLowerCase()}-${part}${version}`, resolved(definitions, definition, [name]));
    }
  }
  return found;
}

function resolved(
  definitions: Swagger['definitions'],
  schema: SwaggerSchema,
  within: readonly string[],
): SwaggerSchema {
  const name = schema.$ref?.replace('#/definitions/', '');
  if (name !== undefined) {
    // A schema of schemas holds itself; what is in there is not looked at.
    if (within.includes(name)) return {};
    if (name.endsWith('.resource.Quantity')) return { oneOf: [{ type: 'string' }, { type: 'number' }] };
    return resolved(definitions, definitions[name] ?? {}, [...within, name]);
  }
  if (schema.format === 'int-or-string') return { oneOf: [{ type: 'string' }, { type: 'integer' }] };
  const { type, properties, items, additionalProperties, required, enum: choices } = schema;
  const go = (inner: SwaggerSchema): SwaggerSchema => resolved(definitions, inner, within);
  return {
    ...(type === undefined ? {} : { type }),
    ...(required === undefined ? {} : { required }),
    ...(choices === undefined ? {} : { enum: choices }),
    ...(items === undefined ? {} : { items: go(items) }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, go(inner)])),
          additionalProperties: false,
        }),
    ...(additionalProperties === undefined
      ? {}
      : {
          additionalProperties:
            typeof additionalProperties === 'boolean' ? additionalProperties : go(additionalProperties),
        }),
  };
}
