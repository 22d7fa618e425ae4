import { claims, pods, volumeSnapshots } from '../../shared/kube/resource.ts';
import { copyPodsOf } from '../children.ts';
import type { Effect } from '../effects.ts';
import { type Observed, ownClaim } from '../observed.ts';
import { holdsBytes, isFrom } from '../origin.ts';
import { remove, removeAsSeen } from './parts.ts';
import type { Step } from './step.ts';
import type { Making } from './target.ts';

/** What a strategy makes; what it does not make, another one has left. */
export interface Fit {
  readonly target: Making;
  /** Absent: it makes no temporary claim. */
  readonly temporary?: Making;
  /** It takes a snapshot. */
  readonly snapshot?: true;
  /** It has a pod that copies, perhaps from a snapshot that it restores. */
  readonly copies?: true;
}

/**
 * Before anything else: what an earlier strategy has made, and this one would stumble over, is on its way out. A claim that holds the
 * source's bytes already is kept, however that came about.
 */
export function fitting(fit: Fit): Step {
  return {
    name: 'fitting',
    done: (o) => misfits(o, fit).length === 0,
    waits: () => undefined,
    effects: (o) => misfits(o, fit),
  };
}

function misfits(o: Observed, { target, temporary, snapshot, copies }: Fit): readonly Effect[] {
  const { children } = o;
  if (children.moving !== undefined) return [];
  const empty = [
    { claim: ownClaim(o), making: target, holds: ownClaim(o)?.spec?.volumeName !== undefined },
    { claim: children.temporary, making: temporary, holds: children.temporary && holdsBytes(children.temporary) },
  ].filter(({ holds }) => holds !== true);
  const strays = empty.filter(({ claim, making }) => {
    const from = making?.from(o);
    return claim !== undefined && (from === undefined || !isFrom(claim, from));
  });
  return [
    ...(copies === true
      ? []
      : [...copyPodsOf(children).flatMap((pod) => remove(pods, pod)), ...remove(claims, children.restored)]),
    ...strays.flatMap(({ claim }) => removeAsSeen(claims, claim)),
    ...(snapshot === true ? [] : children.disposable.flatMap((one) => remove(volumeSnapshots, one))),
  ];
}
