import { annotations } from '../api/names.ts';
import type { KubeObject } from '../api/objects.ts';

/**
 * Whether the object (a source, or the namespace it lies in) lets nobody clone. A value that nobody knows counts as a veto: a typing error
 * must not open what was to be closed. Neither can undo the other's: a claim in a closed namespace stays closed.
 */
export function vetoes(object: KubeObject | undefined): boolean {
  const value = object?.metadata.annotations?.[annotations.clone];
  return value !== undefined && value !== 'allow';
}
