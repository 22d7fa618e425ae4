import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';

const script = `
  import { interrupted } from ${JSON.stringify(new URL('../../../support/cluster/interrupt.ts', import.meta.url).href)};
  const ended = interrupted();
  console.log('waiting');
  await ended;
  console.log('over');
`;

it.each(['SIGINT', 'SIGTERM'] as const)(
  'a program with nothing else to do waits for %s and goes on',
  async (signal) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const said: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.push(text);
      if (text.includes('waiting')) child.kill(signal);
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(said.join('')).toBe('waiting\nover\n');
  },
);
