import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, test } from 'vitest';
import { takeLock } from '../../../support/cluster/lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'lock-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const started: number[] = [];
afterEach(() => {
  for (const pid of started.splice(0)) kill(pid);
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // The test has ended it already.
  }
}

const module = fileURLToPath(new URL('../../../support/cluster/lock.ts', import.meta.url));

/** Another process that has the lock, and whose child has it too when told so. */
async function holder(file: string, withChild: boolean) {
  const hold = `
    const { takeLock } = await import(${JSON.stringify(module)});
    const { spawn } = await import('node:child_process');
    const lock = await takeLock(${JSON.stringify(file)}, () => {});
    const child = ${withChild} ? spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', lock.fd] }) : { pid: 0 };
    process.stdout.write(String(child.pid));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', hold], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = (await once(child.stdout, 'data')) as [Buffer];
  const grandchild = Number(pid.toString());
  started.push(...[child.pid ?? 0, grandchild].filter((pid) => pid > 0));
  return { child, grandchild };
}

test('a lock is free again when its holder was killed', async () => {
  const file = join(folder, 'killed');
  const { child } = await holder(file, false);
  let waited = false;
  const lock = takeLock(file, () => {
    waited = true;
    child.kill('SIGKILL');
  });
  (await lock).release();
  expect(waited).toBe(true);
});

test('a child that was given the lock keeps it when the holder is killed', async () => {
  const file = join(folder, 'inherited');
  const { child, grandchild } = await holder(file, true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  let waited = false;
  const lock = takeLock(file, () => {
    waited = true;
    kill(grandchild);
  });
  (await lock).release();
  expect(waited).toBe(true);
});

test('a lock that nobody has is had at once, and again after it was released', async () => {
  const file = join(folder, 'free');
  const never = (): void => expect.unreachable('nobody has it');
  (await takeLock(file, never)).release();
  (await takeLock(file, never)).release();
});
