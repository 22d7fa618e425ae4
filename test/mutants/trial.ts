import { join, relative, sep } from 'node:path';
import { startVitest, type TestModule } from 'vitest/node';
import { setup } from './workshop.ts';

/** Runs the tests of many copies in one go. */

/** Of one copy: the first test that failed and why, or that it could not even be loaded; undefined when all passed. */
export type Verdicts = ReadonlyMap<string, string | undefined>;

/** Milliseconds. A mutant is not dead for being slow on a busy machine; one that never ends is. */
const patience = 60_000;
/** Characters. */
const longestReason = 100;

interface TrialOptions {
  /** With a folder for each copy. */
  readonly folder: string;
  /** Test files, from the folder: `<copy>/test/unit/…`. */
  readonly tests: readonly string[];
  /** How many of them run at the same time. */
  readonly workers: number;
}

/** One call starts its processes once. What they load is let go of only when they end, so a call should not have thousands of files. */
export async function tryAll({ folder, tests, workers }: TrialOptions): Promise<Verdicts> {
  const verdicts = new Map<string, string | undefined>();
  const vitest = await startVitest('test', [], {
    root: folder,
    config: false,
    watch: false,
    isolate: false,
    testTimeout: patience,
    experimental: { viteModuleRunner: false },
    maxWorkers: workers,
    include: [...tests],
    setupFiles: [join(folder, setup)],
    reporters: [
      {
        onTestModuleEnd: (module: TestModule): void => {
          const [copy = ''] = relative(folder, module.moduleId).split(sep);
          verdicts.set(copy, verdicts.get(copy) ?? failureIn(module));
        },
      },
    ],
  });
  await vitest.close();
  return verdicts;
}

function failureIn(module: TestModule): string | undefined {
  for (const test of module.children.allTests()) {
    const { state, errors = [] } = test.result();
    if (state === 'failed')
      return `${test.fullName} (${errors[0]?.message.split('\n', 1)[0]?.slice(0, longestReason) ?? ''})`;
  }
  return module.ok() ? undefined : `${module.relativeModuleId} could not be run`;
}
