import { annotations } from '../shared/api/names.ts';
import { fallenBack, nextStrategy, standingOf } from '../shared/decision/fallback.ts';
import type { Observed } from './observed.ts';
import type { Plan } from './plan.ts';
import { patchVolume } from './steps/parts.ts';
import { waitFor } from './steps/step.ts';

/**
 * What follows when the storage has failed at a strategy for good: the next candidate of the decision, noted in one write. What the old
 * strategy has made is cleaned up by the steps of the new one. Without a next candidate the clone counts as failed, but what was made
 * stays: should the storage succeed after all, the clone does too. Undefined when nothing was chosen that could have failed. Pure.
 */
export function fallBack(
  { volume }: Observed,
  { step, wait }: Extract<Plan, { state: 'waiting' }>,
  failure: string,
): Extract<Plan, { state: 'waiting' | 'acting' }> | undefined {
  const standing = standingOf(volume.metadata.annotations);
  const decision = volume.metadata.annotations?.[annotations.decision];
  if (standing === undefined || decision === undefined) return undefined;
  const { strategy: from } = standing;
  const to = nextStrategy(standing);
  if (to === undefined) {
    const message = `the storage failed at ${from}: ${failure}; there is no other strategy to try`;
    return { state: 'waiting', step, wait: { ...wait, ...waitFor('Failed', 'CloneFailed', message) } };
  }
  const fallback = { from, to, message: failure };
  const changed = fallenBack(standing, decision, fallback);
  return {
    state: 'acting',
    step: 'fallback',
    effects: [patchVolume(volume, { metadata: { annotations: changed } })],
    fallback,
  };
}
