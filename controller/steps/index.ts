import type { Strategy } from '../../shared/api/names.ts';
import { type Observed, capacityOf, ownClaim, requestOf } from '../observe.ts';
import { admissionSteps } from './admission.ts';
import { csiClone } from './csi-clone.ts';
import { gate, type Step, waitFor } from './step.ts';

/** What kind of clone it is, as far as that changes the steps. */
interface Shape {
  readonly strategy: Strategy;
  readonly otherNamespace: boolean;
  readonly expands: boolean;
}

interface Route extends Shape {
  readonly steps: readonly Step[];
}

/** Every kind of clone that can be carried out. Another one is another row. */
const routes: readonly Route[] = [{ strategy: 'csi-clone', otherNamespace: false, expands: false, steps: csiClone }];

/** The steps of a clone, in order; those after the first that is not done are not looked at. */
export function stepsFor(o: Observed): readonly Step[] {
  const shape = shapeOf(o);
  // Not decided yet: the step that waits for the decision is among these.
  if (shape === undefined) return admissionSteps;
  const route = routes.find(
    ({ strategy, otherNamespace, expands }) =>
      strategy === shape.strategy && otherNamespace === shape.otherNamespace && expands === shape.expands,
  );
  return [...admissionSteps, ...(route?.steps ?? [notExecutable(shape)])];
}

function shapeOf(o: Observed): Shape | undefined {
  if (o.choice.by !== 'record' || o.source === undefined) return undefined;
  const { strategy, target } = o.choice;
  // A claim that is there says what the clone began as, whatever has become of the source.
  const own = ownClaim(o);
  const cloned = own === undefined ? capacityOf(o.source.claim) : requestOf(own);
  const expands = target.requested !== undefined && cloned !== undefined && target.requested > cloned;
  return { strategy, otherNamespace: o.source.ref.namespace !== o.volume.metadata.namespace, expands };
}

function notExecutable({ strategy, otherNamespace, expands }: Shape): Step {
  const kind = [
    strategy,
    ...(otherNamespace ? ['from another namespace'] : []),
    ...(expands ? ['into a larger volume'] : []),
  ];
  const message = `this version cannot carry out ${kind.join(' ')} yet`;
  return gate('executable', () => waitFor('CloneScheduled', 'CloneNotExecutable', message));
}
