import { globSync, readFileSync } from 'node:fs';
import { matchesGlob } from 'node:path';
import { expect, test } from 'vitest';
import config from '../../../vitest.config.ts';

/** What `make test` runs is all that there is. */

interface Project {
  readonly name: string;
  readonly include: readonly string[];
  readonly exclude?: readonly string[];
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const projects = (config.test?.projects ?? []).map((project) => (project as { readonly test: Project }).test);

test('each project but unit is a part of `make test`', () => {
  const [, parts = ''] = /^parts := (.*)$/m.exec(readFileSync('Makefile', 'utf8')) ?? [];

  expect(['unit', ...parts.split(' ')].toSorted()).toEqual(projects.map(({ name }) => name).toSorted());
});

test('each file of tests belongs to one project', () => {
  const files = globSync('test/**/*.test.ts');
  const isIn = (file: string, patterns: readonly string[] = []) => patterns.some((each) => matchesGlob(file, each));
  const homes = files
    // Where there can be no node, its tests belong to none.
    .filter((file) => !file.startsWith('test/e2e/node/'))
    .map(
      (file) => [file, projects.filter(({ include, exclude }) => isIn(file, include) && !isIn(file, exclude))] as const,
    );

  expect(homes.length).toBeGreaterThan(200);
  expect(homes.filter(([, found]) => found.length !== 1).map(([file]) => file)).toEqual([]);
});
