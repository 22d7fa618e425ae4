import { beforeEach } from 'vitest';

/** The first failure of a file kills the mutant; what comes after it, and where in the code it was, tells nothing more and takes most of the time. */

Error.stackTraceLimit = 0;

const failed = new Set<string>();

beforeEach(({ task, skip, onTestFailed }) => {
  if (failed.has(task.file.id)) skip();
  onTestFailed(() => void failed.add(task.file.id));
});
