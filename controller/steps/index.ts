import type { CloneSource } from '../../shared/api/datavolume.ts';
import type { Strategy } from '../../shared/api/names.ts';
import type { Observed } from '../observed.ts';
import { admissionSteps } from './admission.ts';
import { copyOfClaim, copyOfSnapshot } from './copy/route.ts';
import { csiClone, csiCloneElsewhere } from './csi-clone.ts';
import { snapshotGiven, snapshotGivenElsewhere, snapshotOfClaim, snapshotOfClaimElsewhere } from './snapshot.ts';
import { gate, type Step, waitFor } from './step.ts';

/** What kind of clone it is, as far as that changes the steps. */
interface Shape {
  readonly strategy: Strategy;
  readonly kind: CloneSource['kind'];
  readonly elsewhere: boolean;
}

interface Route extends Shape {
  readonly steps: readonly Step[];
}

const claim = 'PersistentVolumeClaim';
const given = 'VolumeSnapshot';

/** Every kind of clone that there is. Another one is another row. */
const routes: readonly Route[] = [
  { strategy: 'csi-clone', kind: claim, elsewhere: false, steps: csiClone },
  { strategy: 'csi-clone', kind: claim, elsewhere: true, steps: csiCloneElsewhere },
  { strategy: 'snapshot', kind: claim, elsewhere: false, steps: snapshotOfClaim },
  { strategy: 'snapshot', kind: claim, elsewhere: true, steps: snapshotOfClaimElsewhere },
  { strategy: 'snapshot', kind: given, elsewhere: false, steps: snapshotGiven },
  { strategy: 'snapshot', kind: given, elsewhere: true, steps: snapshotGivenElsewhere },
  { strategy: 'copy', kind: claim, elsewhere: false, steps: copyOfClaim },
  { strategy: 'copy', kind: claim, elsewhere: true, steps: copyOfClaim },
  { strategy: 'copy', kind: given, elsewhere: false, steps: copyOfSnapshot },
  { strategy: 'copy', kind: given, elsewhere: true, steps: copyOfSnapshot },
];

/** The steps of a clone, in order; those after the first that is not done are not looked at. */
export function stepsFor(o: Observed): readonly Step[] {
  const shape = shapeOf(o);
  // Not decided yet: the step that waits for the decision is among these.
  if (shape === undefined) return admissionSteps;
  const route = routes.find(
    ({ strategy, kind, elsewhere }) =>
      strategy === shape.strategy && kind === shape.kind && elsewhere === shape.elsewhere,
  );
  return [...admissionSteps, ...(route?.steps ?? [impossible(shape)])];
}

function shapeOf({ choice, source, volume }: Observed): Shape | undefined {
  if (choice.by !== 'record' || source === undefined) return undefined;
  const { kind, namespace } = source.ref;
  return { strategy: choice.strategy, kind, elsewhere: namespace !== volume.metadata.namespace };
}

/** No decision comes to that, but a record is only text. */
function impossible({ strategy, kind }: Shape): Step {
  const message = `there is no ${strategy} of a ${kind}; create the DataVolume again to have it decided anew`;
  return gate('possible', () => waitFor('Pending', 'CloneValidationFailed', message));
}
