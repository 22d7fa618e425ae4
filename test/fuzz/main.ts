import { parseArgs } from 'node:util';
import type { Exchange, Trial } from './play.ts';
import { type Failure, type FuzzResult, fuzz, type Progress, replay, slack } from './run.ts';

/** `make fuzz`: generated admission reviews against the whole webhook in this process, judged by a model of who may clone what. */

const help = `node test/fuzz/main.ts [--reviews 100000] [--seed <number>]
node test/fuzz/main.ts --replay <place>     one scenario, by the place that a failure is told of with, and all that was said in it

Everything follows from the seed, so nothing is kept: the same seed makes the same reviews, and the place finds one of them again.

Exit code: 0 without a crash and without an unrightful allow; 1 otherwise, or when too few clones were admitted to prove anything;
130 when interrupted, with what was found until then.`;

/** Share of the reviews. A webhook that refuses everything lets nothing pass without right either. */
const leastAdmitted = 0.05;

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
  const every = process.stdout.isTTY ? 2000 : 15_000;
  let last = began;
  return (progress) => {
    const now = performance.now();
    if (now - last < every) return;
    last = now;
    const seconds = (now - began) / 1000;
    const rate = Math.round(progress.reviews / seconds);
    const line = `${Math.round(seconds)} s: ${progress.reviews} of ${reviews} reviews (${rate}/s), ${summary(progress)}`;
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

function report({ failures, reviews, seed, endings, growth }: FuzzResult): void {
  for (const failure of failures) write(describe(failure));
  const counts = Object.entries(endings).map(([ending, count]) => `${ending} ${count} (${percent(count / reviews)})`);
  write(`seed ${seed}; endings: ${counts.join(', ')}\n`);
  const leak = growth > slack ? `, more than the ${mebibytes(slack)} that caches may take: a crash` : '';
  write(`the heap grew by ${mebibytes(growth)}${leak}\n`);
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function describe({ findings, scenario, at }: Failure): string {
  const lines = findings.map(({ kind, what }) => `  ${kind}: ${what}\n`).join('');
  return `\n${lines}  by ${JSON.stringify(scenario)}\n  again, with all that is said: node test/fuzz/main.ts --replay ${at}\n`;
}

async function runAll(): Promise<number> {
  const reviews = wholeNumber('reviews', values.reviews);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber('seed', values.seed);
  write(`fuzzing with seed ${seed}\n`);
  const began = performance.now();
  const interrupt = new AbortController();
  const interrupted = (): void => interrupt.abort();
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const result = await fuzz({ reviews, seed, progress: progressTo(reviews, began), signal: interrupt.signal });
  if (process.stdout.isTTY) write('\n');
  report(result);
  const isWeak = result.endings['admitted clone'] < result.reviews * leastAdmitted;
  if (isWeak) write(`too few clones were admitted to prove anything: at least ${percent(leastAdmitted)} should be\n`);
  write(`${result.reviews} reviews, ${summary(result)}\n`);
  if (interrupt.signal.aborted) return 130;
  return result.crashes + result.unrightful === 0 && !isWeak ? 0 : 1;
}

async function runOne(at: string): Promise<number> {
  const { scenario, trial } = await replay(at);
  write(`${JSON.stringify({ scenario, ...show(trial) }, null, 2)}\n`);
  return trial.findings.length === 0 ? 0 : 1;
}

if (values.help) write(`${help}\n`);
else process.exitCode = await (values.replay === undefined ? runAll() : runOne(values.replay));
