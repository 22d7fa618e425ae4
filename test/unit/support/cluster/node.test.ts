import { expect, test } from 'vitest';
import { folderObstacle } from '../../../support/cluster/node/requirements.ts';

test('a temp folder that the node would not see is refused with what to do', () => {
  expect(folderObstacle('/var/tmp')).toMatch(/\/var of its own.*set TMPDIR/);
  expect(folderObstacle('/run')).toMatch(/\/run of its own.*set TMPDIR/);
  expect(folderObstacle('/')).toBeUndefined();
});
