import type { AdmissionResponse } from '../../../shared/api/admission.ts';
import { isObject } from '../../../shared/api/json.ts';
import type { KubeObject } from '../../../shared/api/objects.ts';
import type { ReasonCode } from '../../../shared/api/reasons.ts';
import type { Client } from '../../../shared/kube/client.ts';
import { isNotFound } from '../../../shared/kube/errors.ts';
import { claims, type Resource } from '../../../shared/kube/resource.ts';
import { verifyStamp } from '../../../shared/trust/stamp.ts';
import type { Review } from '../../../webhook/review.ts';
import type { Handler, Ruling } from '../../../webhook/ruling.ts';
import type { Faults } from '../../fuzz/target.ts';

/** Webhooks that are broken in one thing each: what a fuzzer does not find in these, it would not find in the real one. */

/** Changes the answer of a handler. */
function answering(
  change: (response: AdmissionResponse, review: Review) => AdmissionResponse | Promise<AdmissionResponse>,
) {
  return (real: Handler): Handler => ({
    ...real,
    rule: async (review, signal): Promise<Ruling> => {
      const ruling = await real.rule(review, signal);
      return { ...ruling, response: await change(ruling.response, review) };
    },
  });
}

/** Lets pass what is refused for this reason, whether after thought or for want of an answer. */
export function lettingPass(reason: ReasonCode): Faults {
  const pass = (response: AdmissionResponse): AdmissionResponse =>
    response.status?.message.startsWith(`${reason}: `) === true ? { uid: response.uid, allowed: true } : response;
  return {
    validate: (real) => ({
      ...answering(pass)(real),
      fail: (review, error) => ({ response: pass(real.fail(review, error).response) }),
    }),
  };
}

function annotationsOf({ object }: Review): Readonly<Record<string, string>> {
  const { annotations } = object['metadata'] as { annotations?: Record<string, string> };
  return annotations ?? {};
}

export const unrightful: Readonly<Record<string, Faults>> = {
  'takes every answer of the authorizer for a yes': {
    client: (real) => ({
      ...real,
      review: async <T extends KubeObject>(kind: Resource<T>, object: T) => ({
        ...(await real.review(kind, object)),
        status: { allowed: true },
      }),
    }),
  },
  'takes every answer that is not false for a yes': {
    client: (real) => ({
      ...real,
      review: async <T extends KubeObject>(kind: Resource<T>, object: T) => {
        const answer: unknown = await real.review(kind, object);
        const status = isObject(answer) && isObject(answer['status']) ? answer['status'] : {};
        const allowed = status['allowed'] !== false;
        return { ...object, status: { allowed } };
      },
    }),
  },
  'does not compare a stamp with the object': {
    validate: (real, { verifier }) =>
      answering(async (response, review) => {
        const stamp = annotationsOf(review)['clonegate.io/stamp'];
        const genuine = await verifyStamp(verifier, stamp).then(
          () => true,
          () => false,
        );
        return genuine && review.operation === 'CREATE' ? { uid: response.uid, allowed: true } : response;
      })(real),
  },
  'is content with a stamp, whoever made it': {
    validate: answering((response, review) =>
      annotationsOf(review)['clonegate.io/stamp'] !== undefined && review.operation === 'CREATE'
        ? { uid: response.uid, allowed: true }
        : response,
    ),
  },
  'says that a source is missing': {
    validate: (real, { client }) =>
      answering(async (response, review) => {
        if (response.allowed || response.status?.code !== 403) return response;
        const { message } = response.status;
        const missing = await isMissing(client, review);
        return { ...response, status: { ...response.status, message: missing ? `${message} (missing)` : message } };
      })(real),
  },
  'asks once more when a source exists': {
    client: (real) => ({
      ...real,
      get: async (kind, ref, options) => {
        const found = await real.get(kind, ref, options);
        await real.review(kind, found);
        return found;
      },
    }),
  },
};

async function isMissing(client: Pick<Client, 'get'>, { object, namespace: own }: Review): Promise<boolean> {
  const { spec } = object as { spec?: { source?: { pvc?: { namespace?: string; name?: string } } } };
  const { namespace = own, name = '' } = spec?.source?.pvc ?? {};
  try {
    await client.get(claims, { namespace, name });
    return false;
  } catch (error) {
    return isNotFound(error);
  }
}

export const crashing: Readonly<Record<string, Faults>> = {
  'fails where it is to answer for a failure': {
    client: (real) => ({ ...real, review: async () => await Promise.reject(new TypeError('oops')) }),
    validate: (real) => ({
      ...real,
      fail: () => {
        throw new Error('and again');
      },
    }),
  },
  'answers to somebody else': { mutate: answering((response) => ({ ...response, uid: 'another' })) },
  'refuses without a word': { validate: answering(({ uid, allowed }) => ({ uid, allowed })) },
  'warns at length': { validate: answering((response) => ({ ...response, warnings: ['x'.repeat(121)] })) },
  'makes a patch that does not fit': {
    mutate: answering((response) => patchedWith(response, [{ op: 'remove', path: '/metadata/annotations/none' }])),
  },
  'changes what is not its own': {
    mutate: answering((response) => patchedWith(response, [{ op: 'add', path: '/spec/preallocation', value: true }])),
  },
};

function patchedWith({ uid, allowed }: AdmissionResponse, operations: readonly object[]): AdmissionResponse {
  return {
    uid,
    allowed,
    ...(allowed
      ? { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(operations)).toString('base64') }
      : { status: { code: 400, reason: 'BadRequest', message: 'no' } }),
  };
}

/** Keeps something of each review. */
export function hoarding(): Faults {
  const hoard: number[][] = [];
  return {
    mutate: answering((response) => {
      hoard.push(Array.from<number>({ length: 100_000 }).fill(1));
      return response;
    }),
  };
}
