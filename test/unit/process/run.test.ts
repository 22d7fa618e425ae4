import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { createLogger } from '../../../shared/process/log.ts';
import { runProgram } from '../../../shared/process/program.ts';
import { type Component, type Host, run } from '../../../shared/process/run.ts';
import { FakeClock, settle } from '../../support/clock.ts';

class FakeHost extends EventEmitter implements Host {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

interface Recorded extends Component {
  readonly signal: () => AbortSignal | undefined;
  readonly fail: (error: unknown) => void;
}

function recorder() {
  const story: string[] = [];
  const component = (name: string, over: Partial<Component> = {}): Recorded => {
    let seen: AbortSignal | undefined;
    let report: (error: unknown) => void = () => undefined;
    return {
      name,
      start: async (signal, fail) => {
        seen = signal;
        report = fail;
        story.push(`start ${name}`);
      },
      stop: async () => {
        story.push(`stop ${name}`);
      },
      signal: () => seen,
      fail: (error) => report(error),
      ...over,
    };
  };
  return { story, component };
}

function launch(components: readonly Component[], grace = 1000) {
  const host = new FakeHost();
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLogger({ level: 'info', name: 'test', destination: { write: (line: string) => lines.push(line) } });
  return { host, clock, lines, code: run({ log, clock, components, grace, host }) };
}

const never = async (): Promise<void> => {
  await new Promise(() => undefined);
};

describe('a program', () => {
  test('starts its parts in order and stops them in reverse on SIGTERM, with exit code 0', async () => {
    const { story, component } = recorder();
    const first = component('first');
    const { host, code } = launch([first, component('second')]);
    await settle();
    expect(story).toEqual(['start first', 'start second']);
    expect(first.signal()?.aborted).toBe(false);
    host.emit('SIGTERM', 'SIGTERM');
    expect(first.signal()?.aborted).toBe(true);
    expect(await code).toBe(0);
    expect(story.slice(2)).toEqual(['stop second', 'stop first']);
    expect(host.exits).toEqual([0]);
    expect(host.eventNames()).toEqual([]);
  });

  test('ends with 1 when a part cannot start; later parts are never begun', async () => {
    const { story, component } = recorder();
    const broken = component('broken', {
      start: async () => {
        throw new Error('port in use');
      },
    });
    const { code, lines } = launch([component('first'), broken, component('last')]);
    expect(await code).toBe(1);
    expect(story).toEqual(['start first', 'stop broken', 'stop first']);
    expect(lines.join('')).toContain('port in use');
  });

  test('ends with 1 when a running part fails', async () => {
    const { story, component } = recorder();
    const part = component('elector');
    const { code, lines } = launch([part]);
    await settle();
    part.fail(new Error('leadership lost'));
    expect(await code).toBe(1);
    expect(story).toEqual(['start elector', 'stop elector']);
    expect(lines.join('')).toContain('leadership lost');
  });

  test('ends with 1 on an error that nobody caught', async () => {
    const { component } = recorder();
    const { code, host } = launch([component('part')]);
    await settle();
    host.emit('unhandledRejection', new Error('forgotten'));
    expect(await code).toBe(1);
  });

  test('gives up on a part that does not stop within the grace', async () => {
    const { component } = recorder();
    const { code, host, clock } = launch([component('stuck', { stop: never })], 5000);
    await settle();
    host.emit('SIGTERM', 'SIGTERM');
    await clock.advance(4999);
    expect(host.exits).toEqual([]);
    await clock.advance(1);
    expect(await code).toBe(1);
    expect(host.exits).toEqual([1]);
  });

  test('exits at once on the second signal', async () => {
    const { component } = recorder();
    const { host } = launch([component('stuck', { stop: never })]);
    await settle();
    host.emit('SIGINT', 'SIGINT');
    host.emit('SIGINT', 'SIGINT');
    expect(host.exits).toEqual([1]);
  });

  test('stops also when the signal comes while a part starts and does not listen', async () => {
    const { story, component } = recorder();
    const { code, host } = launch([component('slow', { start: never }), component('next')]);
    await settle();
    host.emit('SIGTERM', 'SIGTERM');
    expect(await code).toBe(0);
    expect(story).toEqual(['stop slow']);
  });

  test('stops the others when one fails to stop, and ends with 1', async () => {
    const { story, component } = recorder();
    const bad = component('bad', {
      stop: async () => {
        throw new Error('cannot');
      },
    });
    const { code, host } = launch([component('first'), bad]);
    await settle();
    host.emit('SIGTERM', 'SIGTERM');
    expect(await code).toBe(1);
    expect(story.at(-1)).toBe('stop first');
  });
});

describe('a main file', () => {
  function programHost(argv: readonly string[]) {
    const printed: string[] = [];
    const write = (text: string) => printed.push(text);
    const host = Object.assign(new FakeHost(), {
      argv: ['node', 'main.ts', ...argv],
      env: {},
      stdout: { write },
      stderr: { write },
    });
    return { host, printed };
  }
  const files = ['--stamp-public-keys-file=a', '--identity-key-file=b'];

  test('exits with 2 and the faults when the settings are wrong', async () => {
    const { host, printed } = programHost(['--workers=many', ...files]);
    expect(await runProgram('controller', async () => Promise.reject(new Error('never built')), host)).toBe(2);
    expect(printed.join('')).toContain('--workers is "many"');
    expect(host.exits).toEqual([2]);
  });

  test('prints the help and exits with 0', async () => {
    const { host, printed } = programHost(['--help']);
    expect(await runProgram('controller', async () => Promise.reject(new Error('never built')), host)).toBe(0);
    expect(printed.join('')).toContain('--lease-duration');
  });

  test('exits with 1 when the program cannot be built', async () => {
    const { host, printed } = programHost(files);
    expect(await runProgram('controller', async () => Promise.reject(new Error('no such file: a')), host)).toBe(1);
    expect(printed).toEqual(['no such file: a\n']);
  });

  test('runs what was built from the settings', async () => {
    const { host } = programHost(['--workers=7', ...files]);
    const { story, component } = recorder();
    const log = createLogger({ level: 'silent', name: 'test' });
    const code = runProgram(
      'controller',
      async ({ workers }) => ({ log, clock: new FakeClock(), grace: 1, components: [component(`${workers} workers`)] }),
      host,
    );
    await settle();
    host.emit('SIGTERM', 'SIGTERM');
    expect(await code).toBe(0);
    expect(story).toEqual(['start 7 workers', 'stop 7 workers']);
  });
});
