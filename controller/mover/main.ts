import { pino } from 'pino';
import { systemClock } from '../../shared/process/clock.ts';
import { runMover } from './mover.ts';

/** The program inside the copy pod: copies one volume into another, tells how far it is, says how it ended, and ends. */

process.exitCode = await runMover(
  {
    argv: process.argv,
    env: process.env,
    on: (event, listener) => process.on(event, listener),
    off: (event, listener) => process.off(event, listener),
    // Synchronous, so that nothing is lost at the end.
    stdout: pino.destination({ fd: 1, sync: true }),
    geteuid: () => process.geteuid?.() ?? 0,
  },
  systemClock,
);
