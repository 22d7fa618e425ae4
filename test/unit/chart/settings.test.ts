import { describe, expect, test } from 'vitest';
import { installed } from '../../../shared/api/names.ts';
import { parseSettings, settingsTable } from '../../../shared/process/settings.ts';
import type { Program } from '../../../shared/process/settings-table.ts';
import { type Rendered, type RenderOptions, renderChart } from '../../support/helm/chart.ts';
import { programsIn } from './pods.ts';

/** What the templates tell the programs, held against what the programs may be told. */

const modes: Readonly<Record<string, RenderOptions>> = {
  plain: {},
  elsewhere: { set: ['admission.url=https://clonegate.example.com'] },
  limited: { set: ['namespaces=json:["team"]', 'copy.priorityClass=low'] },
  files: {
    set: [
      'certificates.mode=existing',
      'certificates.existing.secretName=tls',
      'stampKeys.mode=files',
      'stampKeys.files.webhookSecretName=a',
      'stampKeys.files.controllerSecretName=b',
    ],
  },
};

/** Not for administrators to set: the names are fixed, and rights are given by them. */
const fixed: Readonly<Record<string, string>> = {
  '--kubeconfig': 'in a pod there is the ServiceAccount',
  '--pod-name': 'POD_NAME',
  '--ca-secret': 'the Role names it',
  '--service-name': 'the Service has it',
  '--webhook-configuration': 'the ClusterRole names it',
  '--controller-user': 'the ServiceAccount has it',
  '--lease-name': 'the Role names it',
};

/** Where a new cluster is to begin otherwise than a program that somebody starts by hand. */
const otherwise: Readonly<Record<string, string>> = {
  '--certificates': 'selfSigned',
  '--stamp-keys': 'managed',
  // The same image as all programs'.
  '--copy-image': 'clonegate:0.1.0',
  '--host': '::',
  '--ops-host': '::',
};

const rendered = new Map<string, readonly Rendered[]>();
for (const [name, options] of Object.entries(modes)) rendered.set(name, await renderChart(options));
const pods = [...rendered].flatMap(([mode, objects]) => programsIn(objects).map((pod) => ({ mode, ...pod })));

describe.each(pods)('$mode: $name', ({ program, flags }) => {
  test('is told nothing that it does not understand', () => {
    expect(() => parseSettings(program, flags, { POD_NAME: 'pod' })).not.toThrow();
  });
});

test.each<Program>(['webhook', 'controller', 'hooks'])('whatever the %s can be told is told', (program) => {
  const told = new Set(
    pods.filter((pod) => pod.program === program).flatMap(({ flags }) => flags.map((flag) => flag.split('=')[0])),
  );
  const silent = settingsTable.filter(({ flag, programs }) => programs.includes(program) && !told.has(flag));
  expect(silent.map(({ flag }) => flag).filter((flag) => !(flag in fixed))).toEqual([]);
});

test('values.yaml has the defaults of the programs', () => {
  const plain = pods.filter(({ mode }) => mode === 'plain');
  for (const { program, flags } of plain) {
    const settings: Readonly<Record<string, unknown>> = parseSettings(program, flags, {});
    const bare: Readonly<Record<string, unknown>> = parseSettings(
      program,
      flags.filter((flag) => Object.keys(otherwise).some((each) => flag.startsWith(`${each}=`))),
      {},
    );
    expect(settings).toEqual(bare);
  }
  for (const [flag, value] of Object.entries(otherwise))
    expect(plain.flatMap(({ flags }) => flags)).toContain(`${flag}=${value}`);
});

test('Roles name the objects that the programs make', () => {
  const names = (rendered.get('plain') ?? [])
    .filter(({ kind }) => kind === 'Role')
    .flatMap((role) => role['rules'] as readonly { readonly resourceNames?: readonly string[] }[])
    .flatMap(({ resourceNames = [] }) => resourceNames);
  expect(names).toEqual(expect.arrayContaining(Object.values(installed)));
});
