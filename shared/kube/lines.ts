/**
 * Lines of a byte stream, without their line feed. Split on bytes and decoded whole, so that a character may lie across chunks: in
 * UTF-8 the byte 0x0A is never part of another character. What follows the last line feed is half an event and is dropped.
 * @throws RangeError when a line is longer than `limit` bytes.
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>, limit: number): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, start)) {
      check(size + end - start, limit);
      pending.push(chunk.subarray(start, end));
      const line = Buffer.concat(pending).toString('utf8');
      pending = [];
      size = 0;
      start = end + 1;
      if (line !== '') yield line;
    }
    if (start === chunk.length) continue;
    size += chunk.length - start;
    check(size, limit);
    pending.push(chunk.subarray(start));
  }
}

function check(size: number, limit: number): void {
  if (size > limit) throw new RangeError(`a line is longer than ${limit} bytes`);
}
