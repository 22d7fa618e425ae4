import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../../support/cluster/main.ts', import.meta.url));
const run = (args: readonly string[], env: NodeJS.ProcessEnv = process.env) =>
  spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', env });

test('--help tells how to use it', () => {
  const { status, stdout } = run(['--help']);
  expect(status).toBe(0);
  expect(stdout).toContain('--tier storage|api|node');
});

test.for([
  [['--tier', 'moon'], '--tier moon: must be "api", "storage" or "node"'],
  [['--tier', 'node', '--nodes', '3'], '--nodes 3: must be 1 or 2'],
  [['--teir', 'api'], "Unknown option '--teir'"],
  [['bulid'], 'unknown argument bulid: the only command is "build"'],
] as const)('bad arguments %j are refused with a hint', ([args, message]) => {
  const { status, stderr } = run(args);
  expect(status).toBe(2);
  expect(stderr).toContain(message);
  expect(stderr).toContain('--help');
});

test('a node that cannot be made here is refused in one line', () => {
  const { status, stderr } = run(['--tier', 'node'], { ...process.env, TMPDIR: '/var/tmp' });
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^a real node (?:needs root: |has a \/var of its own, and the temp folder \/var\/tmp lies in it: ).*\n$/,
  );
});

test('without Go one line says what to install', () => {
  const { status, stderr } = run(['build'], { PATH: '/nowhere' });
  expect(status).toBe(1);
  expect(stderr).toBe('building the control plane needs Go 1.26 or newer, see https://go.dev/dl (it is not in PATH)\n');
});
