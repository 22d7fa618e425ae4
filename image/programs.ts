/** What the image holds: `/app/<name>.mjs` is the program whose main file stands here. */
export const programs = {
  webhook: 'webhook/main.ts',
  controller: 'controller/main.ts',
  copy: 'controller/mover/main.ts',
  hooks: 'hooks/main.ts',
} as const satisfies Readonly<Record<string, string>>;

/** What they read at run time: a copy of it lies beside them. */
export const data = ['controller/mover/rsyncd.conf'] as const;
