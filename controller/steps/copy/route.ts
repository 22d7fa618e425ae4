import { annotations } from '../../../shared/api/names.ts';
import { targetSize } from '../../../shared/decision/sizes.ts';
import { type Observed, wantedOf } from '../../observed.ts';
import { restoring } from '../restore.ts';
import type { Step } from '../step.ts';
import { isImmediate, type Making, nodeOf, type Progress } from '../target.ts';
import { transfer } from '../transfer.ts';
import { exporting, parted, replaced } from './apart.ts';
import { copied, started, vacated } from './copied.ts';
import { placed } from './places.ts';
import { sizesOf } from './plan.ts';
import { outdated, rested, undisturbed } from './tries.ts';

/**
 * copy: a pod beside the source reads it and fills a blank temporary claim, whose volume is then handed over to the target claim, within one
 * namespace as well: so what has the target's name is either without a volume, or whole.
 *
 * | state | T (temporary claim) | pod | DataVolume | next write |
 * |---|---|---|---|---|
 * | 0 | - | - | | T, blank, of this try |
 * | 1 | Bound | - | | the pod |
 * | 2 | Bound | running | | - |
 * | 3 | Bound | Succeeded | | T: it holds the whole copy (and the digest, on the DataVolume before) |
 * | 4 | copied | Succeeded | | the pod's deletion |
 * | 5 | copied | - | | as in `transfer`, from state 3 there |
 * | F | Bound | failed, or going | | the DataVolume: one try more is over, and why |
 * | G | Bound | failed | one try more | deletion of pod and T, both of an earlier try now; then 0, after a pause, or the end |
 *
 * What was copied of a tree is kept in G, unless it may be why the try failed: T stays, the pod goes, and the next one, after the pause, goes on
 * in T (1), which it is told apart from the last by the number of its try. When no node can run it with T, T goes too.
 *
 * Where the scheduler shows that no node reaches both volumes, there are two pods: E has the source and hands it out, P (the pod above, of
 * the same name) copies from there. That E exists is the state.
 *
 * | state | E | P | next write |
 * |---|---|---|---|
 * | 2a | - | unschedulable | a Secret, two NetworkPolicies (each of T, and gone with it), E |
 * | 2b | any | unschedulable, with both volumes | that P's deletion |
 * | 2c | pending | - | - |
 * | 2d | running, with an address | - | P, with the target only |
 * | 2e | running | pending or running | - |
 * | 3, 4 | any | Succeeded | as above; both pods are deleted |
 * | F | failed, going or gone | not Succeeded | as above, with E's reason; in G all three go |
 *
 * A try is counted by the one write in F, from which everything else follows, so nothing is counted twice: T tells by its mark that it is of
 * an earlier one, and the pods by the uid of T. A pod that vanishes unseen is made again on the same T: the program in it takes nothing in the
 * destination for granted. Only when E has vanished and P has not, P is lost as well.
 */

/** In the target's full size from the beginning: nothing has to grow afterwards. */
const blank: Making = {
  from: () => 'nothing',
  size: (o) =>
    wantedOf(o) ?? (o.choice.by === 'record' ? targetSize({ source: sizesOf(o), target: o.choice.target }) : undefined),
  marks: ({ copying }) => ({ [annotations.copyAttempt]: String(copying.history.attempts) }),
};

const progress: Progress = {
  phase: 'CloneScheduled',
  message: (_o, claim) => `the storage makes a blank volume for ${claim}`,
};

/** The user does not want to wait for a first consumer, so the copy pod is that: the scheduler then looks at both volumes. */
function isFirstConsumer({ volume, children: { temporary }, bindsLate }: Observed): boolean {
  return bindsLate && isImmediate(volume) && temporary !== undefined && nodeOf(temporary) === undefined;
}

function route(before: readonly Step[]): readonly Step[] {
  return transfer({
    temporary: blank,
    progress,
    copies: true,
    first: [undisturbed, outdated],
    before: [rested, ...before],
    after: [placed, parted, replaced, exporting, started, copied, vacated],
    consumer: { unneeded: ({ volume }) => isImmediate(volume), itself: isFirstConsumer },
  });
}

export const copyOfClaim: readonly Step[] = route([]);

/** A snapshot cannot be mounted; what is restored of it can. */
export const copyOfSnapshot: readonly Step[] = route(restoring);
