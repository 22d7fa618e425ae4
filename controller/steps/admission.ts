import { annotations } from '../../shared/api/names.ts';
import type { ReasonCode } from '../../shared/api/reasons.ts';
import type { Decision } from '../../shared/decision/decide.ts';
import { encodeRecord, parseRecord } from '../../shared/decision/record.ts';
import { claims, pods, volumeSnapshots } from '../../shared/kube/resource.ts';
import { copyPodsOf } from '../children.ts';
import type { Effect } from '../effects.ts';
import { fromVolume, type Observed, ownClaim, sourceObject } from '../observed.ts';
import { isFrom } from '../origin.ts';
import { patchVolume, remove, removeAsSeen } from './parts.ts';
import { isIndependent } from './source.ts';
import { gate, type Step, type Wait, waitFor } from './step.ts';

/** What holds for every clone before its strategy's own steps: it was authorized, for this very source, and it is decided how. */

/** Nothing makes a missing or wrong stamp good: the DataVolume has to be created again, through admission. */
const stamped = gate('stamped', ({ stamp }) =>
  stamp.valid
    ? undefined
    : waitFor('Failed', 'CloneUnauthorized', `${stamp.message}; delete the DataVolume and create it again`),
);

/** A source that does not seem to be there, or not in use, may be both. Whether the namespace opens is told by its watches. */
const inSight = gate('in-sight', ({ closed }) =>
  closed === undefined
    ? undefined
    : waitFor('Pending', 'NamespaceNotServed', `the source cannot be looked at: ${closed}`),
);

/**
 * Asked again until the bytes are ours: the provisioner looks the source up by its name, when it gets to it. So what it has not filled by then
 * goes, or it would be filled with what somebody else has put there. A claim that is lost by now had been complete, too.
 */
const sameSource: Step = {
  name: 'same-source',
  done: (o) => !isReplaced(o),
  waits: (o) => {
    if (wouldBeFilled(o).length > 0) return undefined;
    const { kind, namespace, name } = o.source?.ref ?? { kind: '', namespace: '', name: '' };
    return waitFor(
      'Failed',
      'SourceReplaced',
      `${kind} ${namespace}/${name} was deleted and made again after the clone was authorized; create the DataVolume again to clone what it holds now`,
    );
  },
  effects: wouldBeFilled,
};

function isReplaced(o: Observed): boolean {
  const { source } = o;
  const knownUid = source?.ref.uid;
  const uid = sourceObject(source)?.metadata.uid;
  const complete = isIndependent(o) || ownClaim(o)?.status?.phase === 'Lost';
  return !complete && knownUid !== undefined && uid !== undefined && uid !== knownUid;
}

/** The pods first: a claim stays as long as a pod has it. A target claim that waits for a volume to be handed over reads nothing. */
function wouldBeFilled(o: Observed): readonly Effect[] {
  const { helpers, temporary, restored, disposable } = o.children;
  const target = ownClaim(o);
  const own = target !== undefined && isFrom(target, fromVolume(o)) ? undefined : target;
  return [
    ...[...helpers, ...copyPodsOf(o.children)].flatMap((pod) => remove(pods, pod)),
    ...[temporary, restored, own].flatMap((claim) => removeAsSeen(claims, claim)),
    ...disposable.flatMap((snapshot) => removeAsSeen(volumeSnapshots, snapshot)),
  ];
}

export const decided: Step = {
  name: 'decided',
  done: ({ choice }) => choice.by === 'record',
  waits: ({ choice }) => {
    if (choice.by === 'nobody') return waitFor('Pending', 'CloneValidationFailed', choice.message);
    return choice.by === 'now' ? undecided(choice.decision) : undefined;
  },
  effects: (o) => (o.choice.by === 'now' ? [recordDecision(o, o.choice.decision)] : []),
};

/** The names that users of CDI know, where it has one for the same wait. */
const renamed: Partial<Record<ReasonCode, ReasonCode>> = { SourceNotFound: 'CloneWithoutSource' };

function undecided(decision: Decision): Wait | undefined {
  if (decision.outcome === 'chosen') return undefined;
  const { outcome, reason, message } = decision;
  if (outcome === 'refused') return waitFor('Pending', 'CloneValidationFailed', `${reason}: ${message}`);
  return waitFor('Pending', renamed[reason] ?? reason, message);
}

/** A source that came after the DataVolume is bound by its uid from here on, as admission binds one that it finds. */
function recordDecision({ volume, source }: Observed, decision: Decision): ReturnType<typeof patchVolume> {
  const id = parseRecord(volume.metadata.annotations?.[annotations.decision])?.id ?? volume.metadata.uid;
  const strategy = decision.outcome === 'chosen' ? { [annotations.cloneType]: decision.strategy } : {};
  const sourceUid = source?.ref.uid === undefined ? sourceObject(source)?.metadata.uid : undefined;
  const record = encodeRecord(decision, { id, sourceUid });
  return patchVolume(volume, { metadata: { annotations: { ...strategy, [annotations.decision]: record } } });
}

export const admissionSteps: readonly Step[] = [stamped, inSight, sameSource, decided];
