import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import { createPump } from '../../../../controller/mover/peer/pump.ts';

const chunk = 64 * 1024;

/** A pump whose socket is read by hand, and whose other end takes its time. */
function pumping() {
  const waiting: (() => void)[] = [];
  const [taken, buffers]: [Buffer[], Set<ArrayBufferLike>] = [[], new Set()];
  const answers: (() => void)[] = [];
  const pump = createPump((work) => waiting.push(work));
  const from = new Socket();
  const resume = vi.spyOn(from, 'resume').mockImplementation(() => from);
  const to = new Writable({
    highWaterMark: 1,
    write: (piece: Buffer, _, done) => {
      buffers.add(piece.buffer);
      taken.push(Buffer.from(piece));
      answers.push(done);
    },
  });
  return {
    pump,
    from,
    to,
    resume,
    taken,
    buffers,
    begin: () => pump.start(from, to),
    /** What the socket receives. @returns whether it is read on. */
    receive: (bytes: string | Buffer) => {
      const { buffer } = pump.onread;
      if (typeof buffer === 'function') throw new Error('the buffer is always the same');
      buffer.set(Buffer.from(bytes));
      return pump.onread.callback(bytes.length, buffer);
    },
    /** @returns how often it is asked to look. */
    readAll: () => {
      const works = waiting.splice(0);
      for (const work of works) work();
      return works.length;
    },
    /** The other end has what it was given first. */
    took: async () => {
      answers.shift()?.();
      await settled();
    },
  };
}

async function settled(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

describe('what comes', () => {
  test('together goes on together, when all of it has been read', () => {
    const { begin, receive, readAll, taken } = pumping();
    begin();
    receive('one ');
    expect(receive('two')).toBe(true);
    expect(taken).toEqual([]);
    expect(readAll()).toBe(1);
    expect(taken.map(String)).toEqual(['one two']);
    expect(readAll()).toBe(0);
  });

  test('first is for who asks, in however many pieces, and the rest goes on', async () => {
    const { pump, begin, receive, readAll, taken } = pumping();
    const first = pump.first(6);
    receive('gre');
    await settled();
    readAll();
    receive('et!and more');
    expect(String(await first)).toBe('greet!');
    begin();
    expect(taken.map(String)).toEqual(['and more']);
  });

  test('first may be there before it is asked for', async () => {
    const { pump, begin, receive, taken } = pumping();
    receive('hello');
    expect(String(await pump.first(5))).toBe('hello');
    begin();
    expect(taken).toEqual([]);
  });

  test('last goes on before the end does', async () => {
    const { from, to, begin, receive, readAll, took, taken } = pumping();
    const ended = vi.fn<() => void>();
    to.once('finish', ended);
    begin();
    receive('last');
    from.emit('end');
    readAll();
    await took();
    expect(taken.map(String)).toEqual(['last']);
    expect(ended).toHaveBeenCalled();
  });
});

describe('when more comes than is taken', () => {
  test('the socket is read no more, what it had received goes on all the same, and it is read again as soon as one is taken', async () => {
    const { begin, receive, took, taken, resume, buffers } = pumping();
    begin();
    const pieces = Array.from({ length: 9 }, (_, index) => Buffer.alloc(chunk, index));
    // A buffer holds two.
    expect(pieces.map((piece) => receive(piece))).toEqual([true, true, true, true, true, true, false, false, false]);
    expect(resume).not.toHaveBeenCalled();
    await took();
    expect(resume).not.toHaveBeenCalled();
    await took();
    expect(resume).toHaveBeenCalledTimes(1);
    await took();
    await took();
    expect(resume).toHaveBeenCalledTimes(1);
    expect(receive('more')).toBe(true);
    expect(Buffer.concat(taken).equals(Buffer.concat(pieces.slice(0, 8)))).toBe(true);
    expect(buffers.size).toBe(4);
  });

  test('the same buffers are used again, and none before it was taken', async () => {
    const { begin, receive, readAll, took, taken, buffers } = pumping();
    begin();
    for (let round = 0; round < 20; round += 1) {
      receive(`round ${round}`);
      readAll();
      await took();
    }
    expect(taken.map(String)).toEqual(Array.from({ length: 20 }, (_, round) => `round ${round}`));
    expect(buffers.size).toBe(2);
  });
});
