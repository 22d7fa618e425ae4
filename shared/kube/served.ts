/**
 * Which namespaces a program looks after: all of the cluster, or those that it was told, each as far as it lets the program in. One that
 * does not exist (yet) is like one that no role lets us into: the API server tells neither from the other to somebody without rights.
 */

export interface Served {
  /** Empty: all. */
  readonly namespaces: readonly string[];
  includes(namespace: string): boolean;
  /** Why nothing can be said of what is in a namespace, in a sentence without an end; undefined when all that is in it is known. */
  closed(namespace: string): string | undefined;
  /** Calls the listener after a namespace has let us in. @returns a function that ends it. */
  subscribe(listener: () => void): () => void;
}

/** What is known of one kind in one namespace. */
export interface Door {
  readonly namespace: string;
  isOpen(): boolean;
}

export interface Doors extends Served {
  /** A namespace is open when each of its doors is. */
  add(door: Door): void;
  /** To be called after one of its doors may have opened or closed. */
  looked(namespace: string): void;
}

export function createServed(namespaces: readonly string[]): Doors {
  const listed = new Set(namespaces);
  const doors = new Map(namespaces.map((namespace) => [namespace, new Set<Door>()]));
  const listeners = new Set<() => void>();
  const includes = (namespace: string): boolean => listed.size === 0 || listed.has(namespace);
  const open = new Set<string>();
  const isOpen = (namespace: string): boolean => [...(doors.get(namespace) ?? [])].every((door) => door.isOpen());
  return {
    namespaces,
    includes,
    closed: (namespace) => {
      if (!includes(namespace)) return notServedText(namespace);
      return isOpen(namespace) ? undefined : `namespace ${namespace} does not exist, or no role lets Clonegate into it`;
    },
    subscribe: (listener) => {
      const own = (): void => listener();
      listeners.add(own);
      return () => void listeners.delete(own);
    },
    add: (door) => void doors.get(door.namespace)?.add(door),
    looked: (namespace) => {
      if (!isOpen(namespace)) open.delete(namespace);
      else if (!open.has(namespace)) {
        open.add(namespace);
        for (const listener of listeners) listener();
      }
    },
  };
}

/** Says nothing of which others are. */
export function notServedText(namespace: string): string {
  return `namespace ${namespace} is none of those that this Clonegate serves`;
}
