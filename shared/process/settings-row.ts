import type { Kind } from './values.ts';

/** What a row of the table of settings is. */

export type Program = 'webhook' | 'controller' | 'hooks';

/** What a default may be made from. */
export interface Surroundings {
  readonly hostname: string;
  readonly namespace: string;
}

export interface Row<P extends Program = Program, T = unknown> {
  readonly programs: readonly P[];
  readonly kind: Kind<T>;
  /** Absent: the setting must be given. */
  readonly fallback?: T | ((surroundings: Surroundings) => T);
  /** Required after all when another setting has this value; its fallback is empty then. */
  readonly requiredWith?: { readonly setting: string; readonly value: string };
  /** What {@link helpText} prints for a default that depends on the surroundings. */
  readonly fallbackDoc?: string;
  readonly doc: string;
  /** A variable that Kubernetes manifests set by custom; asked after our own. */
  readonly alias?: string;
}

export function row<const P extends Program, T>(
  programs: readonly P[],
  kind: Kind<T>,
  doc: string,
  rest: Omit<Row<P, NoInfer<T>>, 'programs' | 'kind' | 'doc'> = {},
): Row<P, T> {
  return { programs, kind, doc, ...rest };
}
