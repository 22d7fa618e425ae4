import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Mutant, mutantsIn } from './mutants.ts';
import { scopes } from './scopes.ts';
import { tryAll } from './trial.ts';
import { openWorkshop, type Workshop } from './workshop.ts';

/** `make mutants`: changes the rules one by one, and tells which changes no test notices. */

const help = `node test/mutants/main.ts [--only <word>]

--only   the mutants whose file or description holds the word, such as shared/trust or TargetTooSmall

Exit code: 0 when each mutant is noticed by a test, 1 otherwise.`;

const root = join(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, help: { type: 'boolean', default: false } },
});
const write = (text: string): void => void process.stdout.write(text);

/** Test files that share processes. */
const together = 120;
const workers = Math.min(availableParallelism(), 4);
const began = performance.now();

/** Waits for its next test. */
interface Trial {
  readonly mutant: Mutant;
  readonly copy: string;
}

async function run(): Promise<boolean> {
  const mutants = mutantsIn(root).filter(({ file, what }) => `${file} ${what}`.includes(values.only));
  if (mutants.length === 0) throw new Error(`no mutant is called ${values.only}`);
  const workshop = openWorkshop(root);
  const interrupted = (): void => {
    workshop.remove();
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    checkTests(workshop);
    await tryUnchanged(workshop, [...new Set(mutants.flatMap(({ tests }) => tests))]);
    return report(mutants, await survivorsOf(workshop, mutants));
  } finally {
    workshop.remove();
  }
}

/** A test that does not load what is changed would let every mutant live. */
function checkTests(workshop: Workshop): void {
  for (const { file, tests } of scopes)
    for (const test of tests)
      if (!workshop.leadsTo(test, file))
        throw new Error(`${file}: ${test} does not load it; mend test/mutants/scopes.ts`);
}

/** What fails anyway would kill every mutant. */
async function tryUnchanged(workshop: Workshop, tests: readonly string[]): Promise<void> {
  workshop.add('unchanged', tests);
  const files = tests.map((file) => `unchanged/${file}`);
  const verdicts = await tryAll({ folder: workshop.folder, tests: files, workers });
  workshop.drop('unchanged');
  const broken = verdicts.get('unchanged');
  if (!verdicts.has('unchanged')) throw new Error('no test ran');
  if (broken !== undefined) throw new Error(`a test fails before anything is changed: ${broken}`);
}

/** In rounds: the first test file kills most of the mutants, and only the others go on to their second. */
async function survivorsOf(workshop: Workshop, mutants: readonly Mutant[]): Promise<readonly Mutant[]> {
  let alive = mutants.map((mutant, index): Trial => ({ mutant, copy: `mutant-${index}` }));
  const most = Math.max(...mutants.map(({ tests }) => tests.length));
  for (let round = 0; round < most; round += 1) {
    const dead = new Set<Trial>();
    const due = alive.filter(({ mutant }) => round < mutant.tests.length);
    for (let first = 0; first < due.length; first += together) {
      const killed = await killedIn(workshop, due.slice(first, first + together), round);
      for (const trial of killed) dead.add(trial);
      const tried = Math.min(first + together, due.length);
      write(`${elapsed()}  round ${round + 1} of ${most}: ${tried} of ${due.length} mutants, `);
      write(`${alive.length - dead.size} of ${mutants.length} alive\n`);
    }
    alive = alive.filter((trial) => !dead.has(trial));
  }
  return alive.map(({ mutant }) => mutant);
}

async function killedIn(workshop: Workshop, trials: readonly Trial[], round: number): Promise<readonly Trial[]> {
  const tests = trials.map(({ mutant, copy }) => `${copy}/${mutant.tests[round] ?? ''}`);
  // Just these, because the whole folder is searched for the tests.
  for (const { mutant, copy } of trials) workshop.add(copy, mutant.tests.slice(round, round + 1), mutant);
  const verdicts = await tryAll({ folder: workshop.folder, tests, workers });
  for (const { copy } of trials) workshop.drop(copy);
  return trials.filter(({ mutant, copy }) => {
    if (!verdicts.has(copy)) throw new Error(`${mutant.tests[round] ?? ''} did not run for ${place(mutant)}`);
    const killer = verdicts.get(copy);
    if (killer !== undefined) write(`killed    ${place(mutant)}\n            by ${killer}\n`);
    return killer !== undefined;
  });
}

function place({ file, line, what }: Mutant): string {
  return `${file}:${line}  ${what}`;
}

function elapsed(): string {
  const seconds = Math.round((performance.now() - began) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function report(mutants: readonly Mutant[], survivors: readonly Mutant[]): boolean {
  for (const mutant of survivors) write(`SURVIVED  ${place(mutant)}\n`);
  const killed = mutants.length - survivors.length;
  write(`${mutants.length} mutants, ${killed} killed, ${survivors.length} survivors\n`);
  return survivors.length === 0;
}

if (values.help) write(`${help}\n`);
else process.exitCode = (await run()) ? 0 : 1;
