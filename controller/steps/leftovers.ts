import type { Strategy } from '../../shared/api/names.ts';
import {
  controllerOf,
  type KubeObject,
  keyOf,
  type PersistentVolumeClaim,
  type Stored,
} from '../../shared/api/objects.ts';
import { claims, type Resource, volumeSnapshots } from '../../shared/kube/resource.ts';
import type { DeleteEffect } from '../effects.ts';
import type { Observed } from '../observe.ts';
import { type Step, waitFor } from './step.ts';

/** What strategies that have failed left behind goes before the next one begins: it would stand under the names of what that makes. */

export const cleared: Step = {
  name: 'cleared',
  done: (o) => leftoversOf(o).length === 0,
  waits: (o) => {
    const going = leftoversOf(o).find(({ object }) => object.metadata.deletionTimestamp !== undefined);
    if (going === undefined) return undefined;
    const { resource, object } = going;
    const what = `${resource.kind} ${keyOf(object.metadata)}`;
    return waitFor(
      'CloneScheduled',
      'ErrResourceMarkedForDeletion',
      `${what} of the strategy that failed is being deleted`,
      {
        type: 'Normal',
      },
    );
  },
  effects: (o) => leftoversOf(o).map(removal),
};

interface Leftover {
  readonly resource: Resource<KubeObject>;
  readonly object: Stored<KubeObject>;
}

function leftoversOf({ failed, claim, volume, children }: Observed): readonly Leftover[] {
  if (failed.length === 0) return [];
  const target = claim !== undefined && controllerOf(claim)?.uid === volume.metadata.uid ? [claim] : [];
  const temporary = children.temporary === undefined ? [] : [children.temporary];
  const filled = [...target, ...temporary].filter((one) => failed.some((strategy) => strategy === fillerOf(one)));
  const snapshots = children.snapshot !== undefined && failed.includes('snapshot') ? [children.snapshot] : [];
  return [
    ...filled.map((object) => ({ resource: claims, object })),
    ...snapshots.map((object) => ({ resource: volumeSnapshots, object })),
  ];
}

/** The strategy that makes claims of such a source; undefined for one that takes over the volume of another. */
function fillerOf({ spec }: PersistentVolumeClaim): Strategy | undefined {
  const kind = (spec?.dataSourceRef ?? spec?.dataSource)?.kind;
  if (kind === 'PersistentVolumeClaim') return 'csi-clone';
  return kind === 'VolumeSnapshot' ? 'snapshot' : undefined;
}

function removal({ resource, object: { metadata } }: Leftover): DeleteEffect {
  const { namespace = '', name, uid } = metadata;
  return { kind: 'delete', resource, ref: { namespace, name }, uid };
}
