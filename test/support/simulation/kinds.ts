import type { CloneSource } from '../../../shared/api/datavolume.ts';
import type { Strategy } from '../../../shared/api/names.ts';
import type { VolumeMode } from '../../../shared/api/objects.ts';

/** The kinds of clones that there are, for tests that have to hold for each. */

export interface Kind {
  readonly strategy: Strategy;
  readonly from: CloneSource['kind'];
  readonly elsewhere: boolean;
  readonly larger: boolean;
  readonly mode: VolumeMode;
  /** The class waits for the first consumer. */
  readonly late: boolean;
  /** No node reaches both the source and the volumes of the class. */
  readonly apart: boolean;
  /** What is in the source is a tree of files. */
  readonly tree?: true;
}

const together: readonly Kind[] = (
  [
    ['csi-clone', 'PersistentVolumeClaim'],
    ['snapshot', 'PersistentVolumeClaim'],
    ['snapshot', 'VolumeSnapshot'],
    ['copy', 'PersistentVolumeClaim'],
    ['copy', 'VolumeSnapshot'],
  ] as const
).flatMap(([strategy, from]) =>
  [false, true].flatMap((elsewhere) =>
    [false, true].flatMap((larger) =>
      (['Filesystem', 'Block'] as const).flatMap((mode) =>
        [false, true].map((late): Kind => ({ strategy, from, elsewhere, larger, mode, late, apart: false })),
      ),
    ),
  ),
);

/** It matters to copies alone, and to those in one way, whatever else is so. */
const apart = together.filter(
  ({ strategy, from, elsewhere, larger, mode, late }) =>
    strategy === 'copy' &&
    (elsewhere
      ? larger && mode === 'Filesystem' && late
      : from === 'PersistentVolumeClaim' && !larger && mode === 'Block' && !late),
);

/** Every kind of clone that can be carried out. */
export const kinds: readonly Kind[] = [...together, ...apart.map((kind) => ({ ...kind, apart: true }))];

const ways: Readonly<Record<Strategy, string>> = {
  'csi-clone': 'none',
  snapshot: 'restore',
  copy: 'copy of a snapshot',
};

export function nameOfKind({ strategy, from, elsewhere, larger, mode, late, apart: isApart }: Kind): string {
  const way = from === 'VolumeSnapshot' ? ways[strategy] : strategy;
  const words = [elsewhere ? 'elsewhere' : 'here', larger ? 'larger' : 'equal', mode, late ? 'late' : 'at once'];
  return [isApart ? `${way} by two pods` : way, ...words].join(', ');
}
