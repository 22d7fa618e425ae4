import { sweep } from './sweep.ts';

/**
 * The program that cleans up after a cluster, in whatever way its owner ends: it waits for the end of a pipe whose other end only
 * the owner holds, and the kernel closes that also for a process that is killed. `stop()` goes the same way, so it is always tried.
 *
 *     node watchdog.ts CLUSTER-ID
 */
async function main(id: string): Promise<void> {
  // What Ctrl-C means is for the owner to decide.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  for await (const chunk of process.stdin) void chunk;
  await sweep(id);
}

await main(process.argv[2] ?? '');
