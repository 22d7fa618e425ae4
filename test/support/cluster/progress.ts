/** Tells people that something long goes on: what, and for how long already. */
export interface Progress {
  /** What is being done now; shown at the next tick. */
  now(what: string): void;
  /** Shows a last line and ends. */
  done(what: string): void;
}

export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** On a terminal one line is rewritten twice a second; anywhere else a new one comes every 10 seconds. */
export function startProgress(title: string, screen: Screen = process.stderr): Progress {
  const begin = performance.now();
  const live = screen.isTTY === true;
  let what = 'starting';
  const show = (): void => {
    const line = `${title} [${elapsed(performance.now() - begin)}] ${what}`;
    screen.write(live ? `\r\u001B[K${line.slice(0, 110)}` : `${line}\n`);
  };
  const timer = setInterval(show, live ? 500 : 10_000);
  show();
  return {
    now: (text) => {
      what = text;
    },
    done: (text) => {
      clearInterval(timer);
      what = text;
      show();
      if (live) screen.write('\n');
    },
  };
}

/** `42s` or `3m07s`. @param ms milliseconds, 0 or more. */
export function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, '0')}s`;
}
