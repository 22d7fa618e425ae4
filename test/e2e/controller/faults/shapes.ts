import type { CloneSource } from '../../../../shared/api/datavolume.ts';
import type { Strategy } from '../../../../shared/api/names.ts';

/** Every way in which a clone is carried out, as far as it makes other writes. */
export interface Shape {
  readonly name: string;
  readonly strategy: Strategy;
  readonly from: CloneSource['kind'];
  /** From another namespace. */
  readonly elsewhere: boolean;
  /**
   * With everything that adds writes: it grows, its file system only grows on a node, and its class waits for a first consumer, which the
   * user does not want to wait for.
   */
  readonly full: boolean;
  /** Name of the one that is the same without all that. */
  readonly plain: string | undefined;
}

const ways = [
  { way: 'csi-clone', strategy: 'csi-clone', from: 'PersistentVolumeClaim' },
  { way: 'snapshot', strategy: 'snapshot', from: 'PersistentVolumeClaim' },
  { way: 'restore', strategy: 'snapshot', from: 'VolumeSnapshot' },
] as const;

export const shapes: readonly Shape[] = ways.flatMap(({ way, strategy, from }) =>
  [false, true].flatMap((elsewhere) =>
    [false, true].map((full) => {
      const plain = [way, ...(elsewhere ? ['elsewhere'] : [])].join(' ');
      return full
        ? { name: `${plain} grown late`, strategy, from, elsewhere, full, plain }
        : { name: plain, strategy, from, elsewhere, full, plain: undefined };
    }),
  ),
);

/** @throws Error when there is none of this name. */
export function shapeOf(name: string): Shape {
  const shape = shapes.find((one) => one.name === name);
  if (shape === undefined) throw new Error(`there is no shape ${name}`);
  return shape;
}
