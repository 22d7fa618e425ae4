import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Exchange, Trial } from './play.ts';
import { type Failure, type FuzzResult, fuzz, type Progress, replay } from './run.ts';
import type { Scenario } from './scenario.ts';

/** `make fuzz`: generated admission reviews against the whole webhook in this process, judged by a model of who may clone what. */

const help = `node test/fuzz/main.ts [--reviews 100000] [--seed <number>]
node test/fuzz/main.ts --replay <file>      one scenario, as a failure has left it

Exit code: 0 without a crash and without an unrightful allow, 1 otherwise.`;

const { values } = parseArgs({
  options: {
    reviews: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    replay: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const write = (text: string): void => void process.stdout.write(text);

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new RangeError(`--${name} ${JSON.stringify(text)}: must be a whole number, 0 or more`);
}

/** On a terminal one line that changes, else a line now and then. */
function progressTo(reviews: number, began: number): (progress: Progress) => void {
  let last = began;
  return (progress) => {
    const now = performance.now();
    const due = process.stdout.isTTY ? now - last >= 2000 : progress.reviews % 10_000 === 0;
    if (!due) return;
    last = now;
    const rate = Math.round(progress.reviews / ((now - began) / 1000));
    const line = `${progress.reviews} of ${reviews} reviews (${rate}/s), ${summary(progress)}`;
    write(process.stdout.isTTY ? `\r${line}` : `${line}\n`);
  };
}

function summary({ crashes, unrightful }: Progress): string {
  return `${crashes} crashes, ${unrightful} unrightful allows`;
}

function show({ exchanges, findings, ending }: Trial): object {
  return { findings, ending, exchanges: exchanges.map(showExchange) };
}

function showExchange({ path, body, answer, trouble, moved }: Exchange): object {
  const text = body.toString('utf8');
  const sent = Buffer.from(text).equals(body) ? text : { base64: body.toString('base64') };
  return { path, trouble, moved, sent, answer };
}

function report({ failures, seed, endings, growth }: FuzzResult): void {
  const folder = failures.length === 0 ? '' : mkdtempSync(join(tmpdir(), 'clonegate-fuzz-'));
  for (const [index, failure] of failures.entries())
    write(describe(failure, join(folder, `failure-${index}.json`), seed));
  const counts = Object.entries(endings).map(([ending, count]) => `${ending} ${count}`);
  write(`seed ${seed}; ${counts.join(', ')}; the heap grew by ${(growth / 1024 / 1024).toFixed(1)} MiB\n`);
}

function describe({ findings, scenario, trial }: Failure, file: string, seed: number): string {
  writeFileSync(file, `${JSON.stringify({ seed, scenario, ...show(trial) }, null, 2)}\n`);
  const lines = findings.map(({ kind, what }) => `  ${kind}: ${what}\n`).join('');
  return `\nfailed (--seed ${seed}); the smallest such scenario is in ${file}\n${lines}`;
}

async function runAll(): Promise<boolean> {
  const reviews = wholeNumber('reviews', values.reviews);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber('seed', values.seed);
  write(`fuzzing with seed ${seed}\n`);
  const began = performance.now();
  const result = await fuzz({ reviews, seed, progress: progressTo(reviews, began) });
  if (process.stdout.isTTY) write('\n');
  report(result);
  write(`${result.reviews} reviews, ${summary(result)}\n`);
  return result.crashes + result.unrightful === 0;
}

async function runOne(file: string): Promise<boolean> {
  const { scenario } = JSON.parse(readFileSync(file, 'utf8')) as { readonly scenario: Scenario };
  const trial = await replay(scenario);
  write(`${JSON.stringify(show(trial), null, 2)}\n`);
  return trial.findings.length === 0;
}

if (values.help) write(`${help}\n`);
else process.exitCode = (await (values.replay === undefined ? runAll() : runOne(values.replay))) ? 0 : 1;
