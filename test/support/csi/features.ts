/** Capabilities that the driver can be started without, by their names in csi.proto. */
export const REMOVABLE = ['CLONE_VOLUME', 'CREATE_DELETE_SNAPSHOT', 'EXPAND_VOLUME'] as const;

export type Removable = (typeof REMOVABLE)[number];

/** What this run of the driver is and offers. */
export interface Features {
  /** The driver's name as CSIDriver and StorageClass know it. */
  readonly name: string;
  readonly node: string;
  readonly without: ReadonlySet<Removable>;
  /** Whether volumes say which node can reach them. */
  readonly topology: boolean;
}

/** The segments of every volume of this driver: its pool lies on one node. */
export function segmentsOf({ name, node }: Features): Readonly<Record<string, string>> {
  return { [`topology.${name}/node`]: node };
}

export function isRemovable(text: string): text is Removable {
  return REMOVABLE.some((name) => name === text);
}
