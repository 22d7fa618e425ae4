import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { equivalents } from './equivalents.ts';
import { applied, type Mutation, mutationsOf } from './mutations.ts';
import { type Scope, scopes } from './scopes.ts';
import { declarations, isFunction, parse } from './syntax.ts';

/** A program with one change in it. */
export interface Mutant {
  readonly file: string;
  /** Where the change begins, from 1. */
  readonly line: number;
  /** `<declaration>: <what was done>`; unlike that of any other of the file. */
  readonly what: string;
  /** The file, changed. @throws Error when that is no program any more. */
  readonly text: () => string;
  /** Those that may notice, the likeliest first. */
  readonly tests: readonly string[];
}

/**
 * All mutants of all scopes, without those that mean the same as the program.
 * @throws Error when a declaration cannot be found, when it has nothing that could be changed, or when a change that is said to mean
 *   nothing is not among the changes any more: a table that is not mutated is a table that nobody looks after.
 */
export function mutantsIn(root: string): readonly Mutant[] {
  const made = scopes.flatMap((scope) => mutantsOf(root, scope));
  const stale = equivalents.filter(({ file, what }) => !made.some((one) => one.file === file && one.what === what));
  if (stale.length > 0)
    throw new Error(
      `equivalents.ts names what is no mutant: ${stale.map(({ file, what }) => `${file} ${what}`).join('; ')}`,
    );
  return made.filter((one) => !equivalents.some(({ file, what }) => one.file === file && one.what === what));
}

function mutantsOf(root: string, { file, parts, tests }: Scope): readonly Mutant[] {
  const text = readFileSync(join(root, file), 'utf8');
  const called = new Map<string, number>();
  return mutationsIn(text, { file, parts }).map(({ within, mutation }) => {
    const what = `${within}: ${mutation.what}`;
    const count = (called.get(what) ?? 0) + 1;
    called.set(what, count);
    return {
      file,
      line: text.slice(0, mutation.start).split('\n').length,
      what: count === 1 ? what : `${what} (${count})`,
      text: () => checked(applied(text, mutation), file),
      tests,
    };
  });
}

interface Within {
  /** Name of the declaration. */
  readonly within: string;
  readonly mutation: Mutation;
}

function mutationsIn(text: string, { file, parts }: Omit<Scope, 'tests'>): readonly Within[] {
  const declared = declarations(parse(text));
  return Object.entries(parts).flatMap(([name, how]) => {
    const named = [...declared].filter(([called, node]) => called === name || (name === '*' && isFunction(node)));
    if (named.length === 0) throw new Error(`${file}: has no ${name} at its top; mend test/mutants/scopes.ts`);
    const found = named.flatMap(([within, node]) =>
      mutationsOf(node, text, how).map((mutation) => ({ within, mutation })),
    );
    if (found.length === 0)
      throw new Error(`${file}: ${name} has nothing of ${how.join(', ')}; mend test/mutants/scopes.ts`);
    return found;
  });
}

/** What cannot be parsed would be taken for a mutant that the tests have noticed. */
function checked(text: string, file: string): string {
  try {
    parse(text);
    return text;
  } catch (error) {
    throw new Error(`${file}: a mutation makes no program of it`, { cause: error });
  }
}
