import { isObject, type JsonObject } from '../api/json.ts';
import { formatQuantity, parseQuantity, QuantityError } from '../api/quantity.ts';
import type { Footprint, PlannedClaim } from './footprint.ts';

/** What a clone makes, as it stands in the decision record: sizes as quantities, and nothing said of what there is none of. */

export function writePlan(makes: readonly Footprint[]): readonly JsonObject[] {
  return makes.map(({ namespace, claims, snapshots, pods }) => ({
    namespace,
    claims: claims.map(writeClaim),
    ...(snapshots === 0 ? {} : { snapshots }),
    ...(pods === 0 ? {} : { pods }),
  }));
}

function writeClaim({ size, storageClassName, temporary }: PlannedClaim): JsonObject {
  return {
    ...(size === undefined ? {} : { size: formatQuantity(size) }),
    ...(storageClassName === undefined ? {} : { class: storageClassName }),
    ...(temporary ? { temporary } : {}),
  };
}

/** The inverse of {@link writePlan}; undefined for everything that it does not write. */
export function readPlan(value: unknown): readonly Footprint[] | undefined {
  return all(value, readFootprint);
}

function readFootprint(value: unknown): Footprint | undefined {
  if (!isObject(value)) return undefined;
  const { namespace, snapshots = 0, pods = 0 } = value;
  const claims = all(value['claims'], readClaim);
  if (typeof namespace !== 'string' || claims === undefined || !isCount(snapshots) || !isCount(pods)) return undefined;
  return { namespace, claims, snapshots, pods };
}

function readClaim(value: unknown): PlannedClaim | undefined {
  if (!isObject(value)) return undefined;
  const { size: text, class: storageClassName, temporary = false } = value;
  const size = readSize(text);
  if (size === 'none' || typeof temporary !== 'boolean') return undefined;
  if (storageClassName !== undefined && typeof storageClassName !== 'string') return undefined;
  return {
    ...(size === undefined ? {} : { size }),
    ...(storageClassName === undefined ? {} : { storageClassName }),
    temporary,
  };
}

/** `none`: it is no size. */
export function readSize(text: unknown): bigint | undefined | 'none' {
  if (text === undefined) return undefined;
  if (typeof text !== 'string') return 'none';
  try {
    return parseQuantity(text);
  } catch (error) {
    if (error instanceof QuantityError) return 'none';
    throw error;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Every element read; undefined when one of them cannot be, or when it is no list. */
function all<T>(value: unknown, read: (element: unknown) => T | undefined): readonly T[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const elements = value.map(read).filter((element) => element !== undefined);
  return elements.length === value.length ? elements : undefined;
}
