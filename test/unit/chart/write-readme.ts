import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chartFolder } from '../../support/helm/chart.ts';
import { withValues } from './readme.ts';

/** `make chart-readme`. */
const file = join(chartFolder, 'README.md');
writeFileSync(file, withValues(readFileSync(file, 'utf8')));
