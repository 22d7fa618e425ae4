import type { PersistentVolumeClaim, Stored, VolumeMode } from '../../../shared/api/objects.ts';
import { imageSize } from '../../../shared/decision/sizes.ts';
import type { Observed } from '../../observed.ts';
import { capacityOf, requestOf, restoreSizeOf } from '../../sizes.ts';
import type { CopyPlan } from './pod.ts';

/** What the pods of a copy are made from; undefined as long as not all of it is there. */
export function planOf(o: Observed): CopyPlan | undefined {
  const { volume, copying, choice, children } = o;
  const [from, to] = [readFrom(o), children.temporary];
  if (from === undefined || to === undefined || choice.by !== 'record') return undefined;
  const size = imageSize({ source: sizesOf(o), target: choice.target });
  const attempt = copying.history.attempts;
  return { volume, policy: copying.policy, from, to, imageSize: size, avoids: copying.places.full, attempt };
}

/** The claim whose bytes are copied. */
function readFrom({ source, children }: Observed): Stored<PersistentVolumeClaim> | undefined {
  return source?.ref.kind === 'VolumeSnapshot' ? children.restored : source?.claim;
}

/** For the sizes of what is made, as admission reckons them. */
export function sizesOf({ source }: Observed) {
  const capacity = source?.claim === undefined ? restoreSizeOf(source?.snapshot) : capacityOf(source.claim);
  const asked = source?.claim === undefined ? undefined : requestOf(source.claim);
  const volumeMode: VolumeMode = source?.claim?.spec?.volumeMode === 'Block' ? 'Block' : 'Filesystem';
  return {
    ...(source?.claim === undefined ? {} : { volumeMode }),
    ...(capacity === undefined ? {} : { capacity }),
    ...(asked === undefined || asked === 0n ? {} : { requested: asked }),
  };
}
