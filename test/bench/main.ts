import { parseArgs } from 'node:util';
import { admission } from './admission.ts';
import { copy } from './copy.ts';
import { execution } from './execution.ts';
import { image } from './image.ts';
import { type Bench, print } from './report.ts';
import { scale } from './scale.ts';

/** `make bench`: figures, as ratios within one run; the machine that they come from is not the one that you have. */

const benches: Readonly<Record<string, Bench>> = { admission, execution, copy, image, scale };

const help = `node test/bench/main.ts [${Object.keys(benches).join('|')}] [--quick] [--json]

Without a name all are run. --quick is short and rough; --json prints the figures as JSON instead of tables.
Exit code: 0 when every answer was right and every budget of requests was kept, 1 otherwise, 2 for an unknown name. No time fails a run.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

async function run(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => benches[name] === undefined);
  if (unknown.length > 0) {
    process.stderr.write(`no benchmark ${unknown.join(', ')}\n${help}\n`);
    return 2;
  }
  let failed = false;
  for (const [name, bench] of Object.entries(benches).filter(([name]) => names.length === 0 || names.includes(name))) {
    const log = (line: string): void => void process.stderr.write(`${name}: ${line}\n`);
    const report = await bench({ quick: values.quick, log });
    process.stdout.write(values.json ? `${JSON.stringify({ name, ...report })}\n` : `${print(report)}\n`);
    failed ||= report.failures.length > 0;
  }
  return failed ? 1 : 0;
}

if (values.help) process.stdout.write(`${help}\n`);
else process.exitCode = await run(positionals);
