import { annotations, labels } from '../../shared/api/names.ts';
import type { PersistentVolume, Stored } from '../../shared/api/objects.ts';
import { claims, persistentVolumes, pods, volumeSnapshots } from '../../shared/kube/resource.ts';
import { type Children, copyPodsOf } from '../children.ts';
import type { Effect } from '../effects.ts';
import { patchObject, remove } from './parts.ts';
import type { Step } from './step.ts';

/**
 * What is left of a clone on its way, at its end or when it is deleted. Whatever of it is gone already, with its namespace or by somebody's
 * hand, is not in the stores; and what goes between the look and the write is no error to the writer. So this never holds anything up.
 */
export function cleanUp(children: Children): readonly Effect[] {
  const { temporary, restored, disposable, helpers, moving } = children;
  return [
    // First, so that nothing else is left if this is the last that is done: a volume with our marks on it is one that nobody deletes.
    ...(moving === undefined ? [] : [settle(moving)]),
    ...[...helpers, ...copyPodsOf(children)].flatMap((pod) => remove(pods, pod)),
    ...remove(claims, temporary),
    ...remove(claims, restored),
    ...disposable.flatMap((snapshot) => remove(volumeSnapshots, snapshot)),
  ];
}

const policies: ReadonlySet<string> = new Set(['Delete', 'Retain', 'Recycle']);

/**
 * The volume is like any other again. By now it is bound to the target claim; or, when the DataVolume is deleted, it goes the way that its
 * class wants as soon as the target claim is gone. If somebody has taken away what tells its policy, it keeps Retain: no data is lost.
 */
export function settle(volume: Stored<PersistentVolume>): Effect {
  const before = volume.metadata.annotations?.[annotations.reclaimPolicy] ?? '';
  return patchObject(persistentVolumes, volume, {
    metadata: { labels: { [labels.ownerUid]: null }, annotations: { [annotations.reclaimPolicy]: null } },
    ...(policies.has(before) ? { spec: { persistentVolumeReclaimPolicy: before } } : {}),
  });
}

/** The last step of every clone. */
export const cleared: Step = {
  name: 'cleared',
  done: ({ children }) => cleanUp(children).length === 0,
  waits: () => undefined,
  effects: ({ children }) => cleanUp(children),
};
