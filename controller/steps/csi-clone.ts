import { keyOf } from '../../shared/api/objects.ts';
import { fromSource, type Observed, ownClaim } from '../observed.ts';
import { capacityOf } from '../sizes.ts';
import { cleared } from './cleanup.ts';
import { fitting } from './fit.ts';
import { growth } from './grow.ts';
import { sourceReady } from './source.ts';
import type { Step } from './step.ts';
import { bound, claimed, consumed, type Making, type Progress } from './target.ts';
import { transfer } from './transfer.ts';

/** csi-clone: a claim names the source claim, and the driver does the rest. */

/** Drivers clone a volume into one that is not smaller; what more is asked for, it grows to afterwards. */
const making: Making = {
  from: ({ source }) => source && fromSource(source),
  size: ({ source }) => capacityOf(source?.claim),
};

const progress: Progress = {
  phase: 'CSICloneInProgress',
  message: ({ source }: Observed, claim) => `the CSI driver clones ${keyOf(source?.ref ?? { name: '' })} into ${claim}`,
};

/** Within one namespace the target claim itself does. */
export const csiClone: readonly Step[] = [
  fitting({ target: making }),
  sourceReady,
  claimed(making),
  consumed('WaitForFirstConsumer'),
  bound(progress),
  ...growth(ownClaim),
  cleared,
];

export const csiCloneElsewhere: readonly Step[] = transfer({ temporary: making, progress, before: [] });
