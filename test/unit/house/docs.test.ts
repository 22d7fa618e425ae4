import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyArguments } from '../../../shared/api/copy.ts';
import { annotations, auditKeys, eventAnnotations, finalizer, labels, strategies } from '../../../shared/api/names.ts';
import { reasons } from '../../../shared/api/reasons.ts';
import { metricsTable } from '../../../shared/process/metrics.ts';
import { settingsTable } from '../../../shared/process/settings.ts';

/** docs/reference.md and the tables in code name the same things: nothing undocumented, nothing documented that is gone. */

const root = join(import.meta.dirname, '../../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const reference = read('docs/reference.md');

/** The text under one `## ` heading. */
function section(title: string): string {
  const start = reference.indexOf(`\n## ${title}\n`);
  expect(start, `docs/reference.md has a section ${title}`).toBeGreaterThan(-1);
  const end = reference.indexOf('\n## ', start + 1);
  return reference.slice(start, end === -1 ? undefined : end);
}

/** What stands in backticks in the first column of the section's tables. */
function firstColumn(title: string): string[] {
  return [...section(title).matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name ?? '');
}

const tables: readonly (readonly [string, readonly string[]])[] = [
  ['Strategies', strategies],
  ['Annotations', Object.values(annotations)],
  ['Event annotations', Object.values(eventAnnotations)],
  ['Audit annotations', Object.values(auditKeys)],
  ['Labels and finalizers', [...Object.values(labels), finalizer]],
  ['Reasons', Object.keys(reasons)],
  ['Metrics', Object.values(metricsTable).map(({ name }) => name)],
  ['Settings', settingsTable.map(({ flag }) => flag)],
  ['Arguments of the copy program', copyArguments.map((name) => `--${name}`)],
];

describe('docs/reference.md', () => {
  it.each(tables)('names exactly the %s of the code', (title, names) => {
    expect(firstColumn(title).toSorted()).toEqual([...names].toSorted());
  });

  it.each(Object.entries(reasons))('tells of reason %s what the code says it means', (code, { means }) => {
    expect(reference).toContain(`| \`${code}\` | ${means} |`);
  });

  it.each(settingsTable)(
    'tells the variable, default and programs of $flag',
    ({ flag, env, programs, default: fallback }) => {
      const row = section('Settings')
        .split('\n')
        .find((line) => line.startsWith(`| \`${flag}\` |`));
      expect(row).toContain(`\`${env}\``);
      expect(row).toContain(programs.join(', '));
      if (fallback !== undefined && fallback !== '') expect(row).toContain(fallback);
      else if (fallback === undefined) expect(row).toContain('required');
    },
  );

  it.each(Object.values(metricsTable))('tells type and labels of $name', ({ name, type, labels: names }) => {
    const row = section('Metrics')
      .split('\n')
      .find((line) => line.startsWith(`| \`${name}\` |`));
    expect(row).toContain(type);
    expect(row).toContain(names.join(', '));
  });
});

describe('docs/runbook.md', () => {
  const rows = [...read('docs/runbook.md').matchAll(/^\| `([^`]+)` \| [^|]+ \| [^|]+ \|$/gm)].map(
    ([, code]) => code ?? '',
  );

  it('has one row for every state that a clone can be in, and none for any other', () => {
    const states = Object.entries(reasons).filter(([, { seen }]) => seen === 'wait' || seen === 'event');
    const admission = new Set(['CloneAuthorized', 'CloneWouldBeDenied']);
    const expected = states.map(([code]) => code).filter((code) => !admission.has(code));
    expect(new Set(rows)).toEqual(
      new Set([...expected, 'CloneVetoed', 'NamespaceNotServed', 'CloneAuthorizationFailed']),
    );
    expect(rows).toHaveLength(expected.length + 3);
  });

  it('names settings and metrics that exist', () => {
    const flags = new Set(settingsTable.map(({ flag }) => flag));
    const metrics = new Set(Object.values(metricsTable).map(({ name }) => name));
    const text = read('docs/runbook.md');
    const named = [...text.matchAll(/`(--[a-z-]+)/g)].map(([, flag = '']) => flag).filter((flag) => !flags.has(flag));
    const counted = [...text.matchAll(/`((?:clonegate|workqueue|rest|leader)_[a-z_]+)/g)].map(([, name = '']) => name);
    expect([...named, ...counted.filter((name) => !metrics.has(name))]).toEqual([]);
  });
});

describe('README.md', () => {
  const targets = [...read('Makefile').matchAll(/^([a-z-]+):.*## /gm)].map(([, target]) => target);

  it.each([...read('README.md').matchAll(/`make ([a-z-]+)/g)].map(([, target]) => target))(
    'names a target that exists: make %s',
    (target) => {
      expect(targets).toContain(target);
    },
  );

  it('names the two commands that do everything', () => {
    expect(read('README.md')).toMatch(/make demo[\s\S]*make test/);
  });
});
