import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditReader, cameSince } from '../../../support/cluster/audit.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const line = (auditID: string): string => `${JSON.stringify({ auditID, user: { username: 'zoë' } })}\n`;

test('every request is told once and in order, also to those who ask at the same time, and half a line only when it is whole', async () => {
  const file = join(folder, 'growing');
  const read = auditReader(file);
  const ids = async (): Promise<readonly string[]> => (await read()).map(({ auditID }) => auditID);
  writeFileSync(file, line('a') + line('b'));
  expect(await Promise.all([ids(), ids()])).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ]);
  const third = line('c');
  appendFileSync(file, third.slice(0, 20));
  expect(await ids()).toEqual(['a', 'b']);
  appendFileSync(file, third.slice(20) + line('d'));
  expect(await ids()).toEqual(['a', 'b', 'c', 'd']);
});

test('a log that is not there is an error, until it is', async () => {
  const file = join(folder, 'late');
  const read = auditReader(file);
  await expect(read()).rejects.toThrow('ENOENT');
  writeFileSync(file, line('a'));
  expect(await read()).toMatchObject([{ auditID: 'a' }]);
});

test('what came before a moment is told from what came then or later', () => {
  const event = (requestReceivedTimestamp: string) =>
    ({ requestReceivedTimestamp }) as Parameters<ReturnType<typeof cameSince>>[0];
  const isLater = cameSince(Date.parse('2026-01-01T00:00:00.500Z'));
  expect(['00.499999Z', '00.500000Z', '01.000000Z'].map((end) => isLater(event(`2026-01-01T00:00:${end}`)))).toEqual([
    false,
    true,
    true,
  ]);
});
