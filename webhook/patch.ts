/**
 * RFC 6902 operations, made for the one thing that this webhook changes: annotations. Nothing else of the object is touched, so no
 * field that we do not know can be lost.
 */

export type PatchOperation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** What annotations are to be; `undefined` for those that must not be there. Others are left as they are. */
export type WantedAnnotations = Readonly<Record<string, string | undefined>>;

const parent = '/metadata/annotations';

/**
 * The operations that turn `current` into what is wanted; none when it is so already, so that being called a second time for the same
 * request changes nothing. Applies to the object that `current` was read from.
 */
export function patchAnnotations(
  current: Readonly<Record<string, string>> | undefined,
  wanted: WantedAnnotations,
): readonly PatchOperation[] {
  const entries = Object.entries(wanted);
  if (current === undefined) {
    const present = entries.filter(([, value]) => value !== undefined);
    // An `add` below a parent that does not exist is an error in RFC 6902, so the parent comes with its children in it.
    return present.length === 0 ? [] : [{ op: 'add', path: parent, value: Object.fromEntries(present) }];
  }
  return entries.flatMap(([key, value]) => operation(current, key, value));
}

function operation(
  current: Readonly<Record<string, string>>,
  key: string,
  value: string | undefined,
): readonly PatchOperation[] {
  const path = `${parent}/${escape(key)}`;
  const before = Object.hasOwn(current, key) ? current[key] : undefined;
  if (before === value) return [];
  if (value === undefined) return [{ op: 'remove', path }];
  return [{ op: before === undefined ? 'add' : 'replace', path, value }];
}

/** RFC 6901, 3: `~` first, or the `~` of an escaped `/` would be escaped once more. */
function escape(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}
