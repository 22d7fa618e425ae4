import { parseAst } from 'vitest/node';

/** Where things stand in a file of TypeScript, found by parsing it and not by counting lines. */

/** A node of the syntax tree (ESTree, with TypeScript's own nodes beside it). */
export interface Node {
  readonly type: string;
  /** Positions in the text. */
  readonly start: number;
  readonly end: number;
  readonly [member: string]: unknown;
}

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value && 'end' in value;
}

/** @throws Error when the text is not TypeScript. */
export function parse(text: string): Node {
  const program: unknown = parseAst(text, { lang: 'ts' });
  if (!isNode(program)) throw new TypeError('the parser gives no tree');
  return program;
}

/** What stands at the top of a file under a name, by these: functions, and the values of constants. */
export function declarations(program: Node): ReadonlyMap<string, Node> {
  const found = nodesIn(program['body'])
    .map((statement) => (isNode(statement['declaration']) ? statement['declaration'] : statement))
    .flatMap((statement) =>
      statement.type === 'FunctionDeclaration' ? [statement] : nodesIn(statement['declarations']),
    );
  return new Map(
    found.flatMap((declared) => {
      const { id, init } = declared;
      return isNode(id) && typeof id['name'] === 'string' ? [[id['name'], isNode(init) ? init : declared]] : [];
    }),
  );
}

export function nodesIn(value: unknown): readonly Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** Types say nothing at run time. */
const types = new Set(['typeAnnotation', 'returnType', 'typeParameters', 'typeArguments']);

/** The nodes directly below, those of types left out. */
export function children(node: Node): readonly Node[] {
  return Object.entries(node)
    .filter(([key]) => !types.has(key))
    .flatMap(([, member]) => (isNode(member) ? [member] : nodesIn(member)));
}

/** The node and all below it, in the order of the text. */
export function all(node: Node): readonly Node[] {
  return [node, ...children(node).flatMap(all)];
}

const functions = new Set(['ArrowFunctionExpression', 'FunctionExpression', 'FunctionDeclaration']);

export function isFunction({ type }: Node): boolean {
  return functions.has(type);
}
