import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createKey } from '../../../../controller/copy/key.ts';

test('a key is 32 random bytes in the form that QEMU reads', () => {
  const sizes: number[] = [];
  const key = createKey((size) => {
    sizes.push(size);
    return Uint8Array.from({ length: size }, (_, at) => at);
  });

  expect(key).toBe('clonegate:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n');
  expect(sizes).toEqual([32]);
  expect(createKey(randomBytes)).not.toBe(createKey(randomBytes));
});
