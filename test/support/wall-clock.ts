import { readFileSync } from 'node:fs';

/**
 * Loaded into a program before its own, this sets the wall clock that it sees: ahead or back by as many milliseconds as stand in the file
 * that CLONEGATE_TEST_CLOCK names, from the moment at which they are written there. The steady clock goes on as it did.
 */
const file = process.env['CLONEGATE_TEST_CLOCK'] ?? '';
const real = Date.now.bind(Date);

function shift(): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

Date.now = () => real() + shift();
