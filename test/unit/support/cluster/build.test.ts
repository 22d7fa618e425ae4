import { expect, test } from 'vitest';
import { type BuildPlan, planKey, versionFlags } from '../../../support/cluster/build.ts';

const plan: BuildPlan = {
  goMod: 'module x\n',
  goSum: 'a h1:b\n',
  goVersion: 'go1.26.8',
  platform: 'linux/amd64',
  flags: ['-trimpath'],
  env: { CGO_ENABLED: '0' },
};

test('the same plan has the same key', () => {
  expect(planKey({ ...plan })).toBe(planKey(plan));
});

test.for<[string, Partial<BuildPlan>]>([
  ['go.mod', { goMod: 'module y\n' }],
  ['go.sum', { goSum: 'a h1:c\n' }],
  ['the Go version', { goVersion: 'go1.27.0' }],
  ['the platform', { platform: 'linux/arm64' }],
  ['a flag', { flags: ['-trimpath', '-race'] }],
  ['the environment', { env: { CGO_ENABLED: '1' } }],
])('another %s has another key', ([, change]) => {
  expect(planKey({ ...plan, ...change })).not.toBe(planKey(plan));
});

test('inputs cannot run into each other', () => {
  expect(planKey({ ...plan, goMod: 'ab', goSum: 'c' })).not.toBe(planKey({ ...plan, goMod: 'a', goSum: 'bc' }));
});

test.for(['require k8s.io/kubernetes v1.36.3 // indirect\n', 'require (\n\tk8s.io/kubernetes v1.36.3\n)\n'])(
  'the version that the programs tell comes from go.mod: %j',
  (goMod) => {
    const flags = versionFlags(goMod);
    expect(flags).toContain('-X k8s.io/component-base/version.gitVersion=v1.36.3');
    expect(flags).toContain('-X k8s.io/client-go/pkg/version.gitMinor=36');
  },
);

test('a go.mod without Kubernetes is refused', () => {
  expect(() => versionFlags('module x\n')).toThrow('no line for k8s.io/kubernetes');
});
