import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { markerVariable, watchdogVariable } from './identity.ts';

/** The owner's hold on the watchdog. */
export interface Guard {
  /** Whether cleaning up has not begun yet. */
  readonly armed: boolean;
  /** Lets it clean up and waits until it has. May be called again. @throws Error when something could not be removed. */
  release(): Promise<void>;
}

/** Starts the watchdog for what will carry this id; to be called before the first file is made. */
export function startGuard(id: string): Guard {
  const program = fileURLToPath(new URL('./watchdog.ts', import.meta.url));
  const child = spawn(process.execPath, [program, id], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
    // Not the marker of a cluster that we ourselves may be a program of: its end would take the watchdog along.
    env: { ...process.env, [markerVariable]: undefined, [watchdogVariable]: id },
  });
  const exited = once(child, 'exit');
  child.unref();
  let armed = true;
  return {
    get armed() {
      return armed;
    },
    release: async () => {
      armed = false;
      child.ref();
      child.stdin.end();
      const [code] = (await exited) as [number | null];
      if (code !== 0) throw new Error(`cleaning up after ${id} failed; what is left carries its name`);
    },
  };
}
