import type { PersistentVolumeClaim, Stored } from '../../shared/api/objects.ts';
import { formatQuantity } from '../../shared/api/quantity.ts';
import { claims } from '../../shared/kube/resource.ts';
import { type Observed, wantedOf } from '../observed.ts';
import { capacityOf, requestOf } from '../sizes.ts';
import { helperPod, isMounted } from './helper.ts';
import { about, naming, patchClaim } from './parts.ts';
import { type Step, type Wait, waitFor } from './step.ts';

/**
 * A clone is made in the size of its source, which every driver can, and grows afterwards. Most drivers grow a block volume by
 * themselves; a file system only grows on a node, and the resizer says so when its part is done.
 */
export function growth(on: (o: Observed) => Stored<PersistentVolumeClaim> | undefined): readonly Step[] {
  const askedFor: Step = {
    name: 'asked-for',
    done: (o) => {
      const claim = on(o);
      return claim === undefined || requestOf(claim) >= (wantedOf(o) ?? 0n);
    },
    waits: () => undefined,
    effects: (o) => {
      const [claim, wanted] = [on(o), wantedOf(o)];
      if (claim === undefined || wanted === undefined) return [];
      return [patchClaim(claim, { spec: { resources: { requests: { storage: formatQuantity(wanted) } } } })];
    },
  };
  const grown: Step = {
    name: 'grown',
    done: (o) => {
      const claim = on(o);
      return claim === undefined || isLargeEnough(claim);
    },
    waits: (o) => {
      const claim = on(o);
      return claim === undefined || (needsNode(claim) && !isMounted(o, claim)) ? undefined : growing(claim);
    },
    effects: (o) => {
      const claim = on(o);
      return claim === undefined ? [] : [helperPod(o, claim)];
    },
  };
  return [askedFor, grown];
}

export function isLargeEnough(claim: PersistentVolumeClaim): boolean {
  const capacity = capacityOf(claim);
  return capacity !== undefined && capacity >= requestOf(claim);
}

/** The volume has grown, and the file system in it has not. */
function needsNode({ status }: PersistentVolumeClaim): boolean {
  return (
    status?.conditions?.some(({ type, status: is }) => type === 'FileSystemResizePending' && is === 'True') === true
  );
}

export function growing(claim: Stored<PersistentVolumeClaim>): Wait {
  const capacity = capacityOf(claim);
  const has = capacity === undefined ? 'does not tell its size' : `has ${formatQuantity(capacity)}`;
  const message = `${naming(claims, claim)} ${has}; ${formatQuantity(requestOf(claim))} are asked for`;
  return waitFor('PrepClaimInProgress', 'PrepClaimInProgress', message, { type: 'Normal', on: about(claims, claim) });
}
