import type { CloneSource } from '../../../shared/api/datavolume.ts';
import type { Strategy } from '../../../shared/api/names.ts';

/** Every way in which a clone is carried out, as far as it makes other writes. */
export interface Shape {
  readonly name: string;
  readonly strategy: Strategy;
  readonly from: CloneSource['kind'];
  /** From another namespace. */
  readonly elsewhere: boolean;
  readonly larger: boolean;
}

const claim = 'PersistentVolumeClaim';
const snapshot = 'VolumeSnapshot';

export const shapes: readonly Shape[] = [
  { name: 'csi-clone', strategy: 'csi-clone', from: claim, elsewhere: false, larger: false },
  { name: 'csi-clone-elsewhere-larger', strategy: 'csi-clone', from: claim, elsewhere: true, larger: true },
  { name: 'snapshot-larger', strategy: 'snapshot', from: claim, elsewhere: false, larger: true },
  { name: 'snapshot-elsewhere', strategy: 'snapshot', from: claim, elsewhere: true, larger: false },
  { name: 'restore', strategy: 'snapshot', from: snapshot, elsewhere: false, larger: false },
  { name: 'restore-elsewhere', strategy: 'snapshot', from: snapshot, elsewhere: true, larger: false },
];
