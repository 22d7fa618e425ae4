import { all, children, isFunction, isNode, type Node, nodesIn } from './syntax.ts';

/** Small changes of a program, each of which a test should notice. */

export interface Mutation {
  /** What is done, in the words of the text. */
  readonly what: string;
  readonly start: number;
  readonly end: number;
  /** Stands there afterwards. */
  readonly instead: string;
}

/** How a declaration is mutated. */
export type Manner = keyof typeof manners;

type Mutate = (node: Node, text: string) => readonly Mutation[];

/** All but what is only said: the words of a message are not a rule. */
function meaning(node: Node): readonly Node[] {
  return node.type === 'TemplateLiteral' ? [] : [node, ...children(node).flatMap(meaning)];
}

const simple = new Set(['BinaryExpression', 'UnaryExpression']);

const manners = {
  /** A table: each row is left out. */
  rows: (node, text) => tablesIn(node).flatMap((table) => without(table, text)),
  /** A table whose rows are tried in order: neighbours change places as well. */
  'ordered rows': (node, text) => tablesIn(node).flatMap((table) => [...without(table, text), ...swapped(table, text)]),
  /** What a function puts into lists, arguments of a tool for example: each is left out. */
  lists: (node, text) =>
    meaning(node)
      .filter(({ type }) => type === 'ArrayExpression')
      .flatMap((list) => without({ node: list, rows: nodesIn(list['elements']) }, text)),
  /** The least of some values is taken for the most, and the other way round. */
  bounds: (node, text) => meaning(node).flatMap((one) => bounded(one, text)),
  /** An object: each member is left out. */
  members: (node, text) =>
    all(node)
      .filter(({ type }) => type === 'ObjectExpression')
      .flatMap((object) => without({ node: object, rows: nodesIn(object['properties']) }, text)),
  /** Questions that the code asks: each is answered the other way, and each part of it is left out. */
  conditions: (node, text) => {
    const nodes = meaning(node);
    const tests = new Set(nodes.map(({ test }) => test));
    // A simple question that decides is answered with true and with false already.
    const asked = nodes.filter((one) => !(tests.has(one) && simple.has(one.type)));
    return asked.flatMap((one) => conditionsOf(one, text));
  },
  /** Statements of which the first that applies ends the function: neighbours change places. */
  'ordered statements': (node, text) => swappedStatements(node, text),
} as const satisfies Readonly<Record<string, Mutate>>;

export function mutationsOf(node: Node, text: string, how: readonly Manner[]): readonly Mutation[] {
  return how.flatMap((manner) => manners[manner](node, text));
}

export function applied(text: string, { start, end, instead }: Mutation): string {
  return text.slice(0, start) + instead + text.slice(end);
}

interface Table {
  readonly node: Node;
  readonly rows: readonly Node[];
}

/** Arrays that are not inside of a function. */
function tablesIn(node: Node): readonly Table[] {
  const own = node.type === 'ArrayExpression' ? [{ node, rows: nodesIn(node['elements']) }] : [];
  return isFunction(node) ? [] : [...own, ...children(node).flatMap(tablesIn)];
}

/** Each row is left out, with the comma behind it. */
function without({ rows }: Table, text: string): readonly Mutation[] {
  return rows.map((row) => {
    const behind = /^\s*,/u.exec(text.slice(row.end))?.[0] ?? '';
    return { what: `without ${nameOf(row, text)}`, start: row.start, end: row.end + behind.length, instead: '' };
  });
}

function swapped({ rows }: Table, text: string): readonly Mutation[] {
  return rows.slice(1).map((later, index) => {
    const earlier = rows[index] ?? later;
    return {
      what: `${nameOf(later, text)} before ${nameOf(earlier, text)}`,
      start: earlier.start,
      end: later.end,
      instead: source(later, text) + text.slice(earlier.end, later.start) + source(earlier, text),
    };
  });
}

/** A row is called by its reason code, where it has one. */
function nameOf(row: Node, text: string): string {
  const reason = nodesIn(row['properties']).find(({ key }) => isNode(key) && key['name'] === 'reason');
  const value = reason?.['value'];
  return isNode(value) ? source(value, text) : short(source(row, text));
}

function source({ start, end }: Node, text: string): string {
  return text.slice(start, end);
}

function short(text: string): string {
  const line = text.replaceAll(/\s+/gu, ' ');
  return line.length <= 100 ? line : `${line.slice(0, 99)}…`;
}

function conditionsOf(node: Node, text: string): readonly Mutation[] {
  const { type, test, left, right, operator } = node;
  if ((type === 'IfStatement' || type === 'ConditionalExpression') && isNode(test))
    return ['true', 'false'].map((answer) => replacing(test, answer, text));
  if (type === 'LogicalExpression' && isNode(left) && isNode(right))
    return [left, right].map((side) => replacing(node, `(${source(side, text)})`, text));
  if (type === 'BinaryExpression' && isNode(left) && isNode(right)) return compared(node, left, right, text);
  if (type === 'UnaryExpression' && operator === '!') return [replacing(node, `!${source(node, text)}`, text)];
  return taken(node, text);
}

function replacing(node: Node, instead: string, text: string): Mutation {
  const { start, end } = node;
  return { what: `${short(instead)} for ${short(source(node, text))}`, start, end, instead };
}

function compared(node: Node, left: Node, right: Node, text: string): readonly Mutation[] {
  const operator = String(node['operator']);
  const other = others[operator];
  if (other === undefined) return [];
  // Parentheses are no nodes, so only what stands between the two sides is changed.
  const between = text.slice(left.end, right.start);
  const instead = between.replace(operator, other);
  const after = text.slice(node.start, left.end) + instead + text.slice(right.start, node.end);
  return [{ what: `${short(after)} for ${short(source(node, text))}`, start: left.end, end: right.start, instead }];
}

/** The comparison that differs in one case. */
const others: Readonly<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
};

/** Lists that are narrowed down or put in order: they are taken as they come. */
function taken(node: Node, text: string): readonly Mutation[] {
  const { type, callee } = node;
  if (type !== 'CallExpression' || !isNode(callee) || !isNode(callee['object']) || !isNode(callee['property']))
    return [];
  const method = callee['property']['name'];
  return method === 'filter' || method === 'toSorted' ? [replacing(node, source(callee['object'], text), text)] : [];
}

function bounded({ type, callee }: Node, text: string): readonly Mutation[] {
  if (type !== 'CallExpression' || !isNode(callee)) return [];
  const other = { 'Math.min': 'Math.max', 'Math.max': 'Math.min' }[source(callee, text)];
  return other === undefined ? [] : [replacing(callee, other, text)];
}

/** What leads to an `if` goes along with it. */
function swappedStatements(node: Node, text: string): readonly Mutation[] {
  const body = isNode(node['body']) ? nodesIn(node['body']['body']) : [];
  const groups: { start: number; end: number; name: string }[] = [];
  let start: number | undefined;
  for (const statement of body) {
    start ??= statement.start;
    if (statement.type !== 'IfStatement' || !isNode(statement['test'])) continue;
    groups.push({ start, end: statement.end, name: source(statement['test'], text) });
    start = undefined;
  }
  return groups.slice(1).map((later, index) => {
    const earlier = groups[index] ?? later;
    const between = text.slice(earlier.end, later.start);
    return {
      what: `${later.name} before ${earlier.name}`,
      start: earlier.start,
      end: later.end,
      instead: text.slice(later.start, later.end) + between + text.slice(earlier.start, earlier.end),
    };
  });
}
