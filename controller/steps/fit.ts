import { claims, volumeSnapshots } from '../../shared/kube/resource.ts';
import type { Effect } from '../effects.ts';
import { isFrom, type Observed, ownClaim } from '../observe.ts';
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
}

/**
 * Before anything else: what an earlier strategy has made, and this one would stumble over, is on its way out. A claim that has its volume
 * already is kept, however that came about: it holds the source's bytes.
 */
export function fitting(fit: Fit): Step {
  return {
    name: 'fitting',
    done: (o) => misfits(o, fit).length === 0,
    waits: () => undefined,
    effects: (o) => misfits(o, fit),
  };
}

function misfits(o: Observed, { target, temporary, snapshot }: Fit): readonly Effect[] {
  const { children } = o;
  if (children.moving !== undefined) return [];
  const empty = [
    { claim: ownClaim(o), making: target },
    { claim: children.temporary, making: temporary },
  ].filter(({ claim }) => claim?.spec?.volumeName === undefined);
  const strays = empty.filter(({ claim, making }) => {
    const from = making?.from(o);
    return claim !== undefined && (from === undefined || !isFrom(claim, from));
  });
  return [
    ...strays.flatMap(({ claim }) => removeAsSeen(claims, claim)),
    ...(snapshot === true ? [] : children.disposable.flatMap((one) => remove(volumeSnapshots, one))),
  ];
}
