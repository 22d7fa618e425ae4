import { relative } from 'node:path';
import type { Finished, User } from '../support/cluster/index.ts';

/** What a step has to come out as; anything else ends the demo as failed. */
interface Told {
  /** Whether the command is to succeed; default true. */
  readonly succeeds?: boolean;
  /** Each must be found in what the command prints. */
  readonly says?: readonly RegExp[];
}

/** The demo went another way than it tells. */
export class NotAsToldError extends Error {
  override readonly name = 'NotAsToldError';
}

interface StoryDeps {
  readonly kubectl: (args: readonly string[], as: User) => Promise<Finished>;
  readonly write: (text: string) => void;
}

/** Tells the demo step by step: what happens, the command that a user would type, its real output, and whether it came as told. */
export class Story {
  readonly #deps: StoryDeps;
  #chapter = 0;

  constructor(deps: StoryDeps) {
    this.#deps = deps;
  }

  chapter(title: string): void {
    this.#chapter += 1;
    this.#deps.write(`\n${this.#chapter}. ${title}\n`);
  }

  say(text: string): void {
    this.#deps.write(`${indent(text)}\n`);
  }

  /** Runs kubectl as `as` and shows it. @throws NotAsToldError */
  async kubectl(as: User, args: readonly string[], told: Told = {}): Promise<string> {
    const finished = await this.#deps.kubectl(args, as);
    const output = `${finished.stdout}${finished.stderr}`;
    this.shown(`[${as}] $ kubectl ${args.map(shown).join(' ')}`, output);
    this.check(finished.code === 0, told, output);
    return output;
  }

  /** Shows a command and its output. */
  shown(command: string, output: string): void {
    this.#deps.write(`\n   ${command}\n${indent(output.trimEnd())}\n`);
  }

  /** @throws NotAsToldError when the outcome is not as told. */
  check(succeeded: boolean, told: Told, output: string): void {
    const wanted = told.succeeds ?? true;
    if (succeeded !== wanted) throw new NotAsToldError(`the command should have ${wanted ? 'succeeded' : 'failed'}`);
    const missing = (told.says ?? []).find((pattern) => !pattern.test(output));
    if (missing !== undefined) throw new NotAsToldError(`the output should say ${missing}`);
  }
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '   ');
}

/** Quoted where a shell would need it; files relative to the working directory, as one would type them. */
function shown(arg: string): string {
  const word = arg.startsWith('/') ? relative(process.cwd(), arg) : arg;
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`;
}
