import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, parseDocument, type Scalar, type YAMLMap } from 'yaml';
import { chartFolder } from '../../support/helm/chart.ts';

/** values.yaml and values.schema.json, value by value. */

export interface Value {
  /** Such as `webhook.port`. */
  readonly path: string;
  /** The comment above it. */
  readonly doc: string;
  readonly value: unknown;
  /** False for a group of others, which has a description but no value of its own. */
  readonly leaf: boolean;
}

export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: boolean | Schema;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

const read = (file: string): string => readFileSync(join(chartFolder, file), 'utf8');

export const schema = JSON.parse(read('values.schema.json')) as Schema;

/** All of them, in the order of the file; each group before what is in it. */
export function documentedValues(): readonly Value[] {
  const document = parseDocument(read('values.yaml'));
  if (!isMap(document.contents)) throw new Error('values.yaml is no map');
  return [...valuesIn(document.contents as YAMLMap<Scalar<string>>, '')];
}

function* valuesIn(map: YAMLMap<Scalar<string>>, prefix: string): Generator<Value> {
  // The comment above the first key of a map belongs to the map, says the parser.
  let comment = map.commentBefore ?? '';
  for (const pair of map.items) {
    comment = pair.key.commentBefore ?? comment;
    const path = `${prefix}${pair.key.value}`;
    const group = isMap(pair.value) && pair.value.flow !== true && pair.value.items.length > 0;
    const value = isMap(pair.value) ? pair.value.toJSON() : (pair.value as { toJSON(): unknown } | null)?.toJSON();
    yield { path, doc: docOf(comment), value, leaf: !group || isOpaque(path) };
    if (group && !isOpaque(path)) yield* valuesIn(pair.value as YAMLMap<Scalar<string>>, `${path}.`);
    comment = '';
  }
}

/** Handed on as it is. */
function isOpaque(path: string): boolean {
  return path.endsWith('.resources');
}

/** The last paragraph; what is before an empty line is about the file. */
function docOf(comment: string): string {
  const paragraph = comment.split(/\n\s*\n/).at(-1) ?? '';
  return paragraph
    .split('\n')
    .map((line) => line.trim())
    .join(' ')
    .trim();
}

/** The schema of a value. @throws Error when there is none. */
export function schemaOf(path: string): Schema {
  let at = schema;
  for (const key of path.split('.')) {
    const next = resolve(at).properties?.[key];
    if (next === undefined) throw new Error(`values.schema.json knows no ${path}`);
    at = next;
  }
  return resolve(at);
}

export function resolve(at: Schema): Schema {
  const name = at.$ref?.replace('#/definitions/', '');
  return name === undefined ? at : (schema.definitions?.[name] ?? {});
}
