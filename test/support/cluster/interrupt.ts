/**
 * Resolves with the first Ctrl-C (SIGINT), SIGTERM or SIGHUP; further ones do not disturb the end that has begun. Until then it keeps the
 * process alive: to listen for a signal does not, and Node ends a program in which nothing else is going on.
 */
export async function interrupted(): Promise<void> {
  const alive = setInterval(() => undefined, 60_000);
  await new Promise<void>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve());
  });
  clearInterval(alive);
}
