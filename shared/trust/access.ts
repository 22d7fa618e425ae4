import type { UserInfo } from '../api/admission.ts';
import type { CloneSource } from '../api/datavolume.ts';
import { isObject } from '../api/json.ts';
import { sourceSubresource } from '../api/names.ts';
import type { SubjectAccessReview } from '../api/objects.ts';
import type { CallOptions, Client } from '../kube/client.ts';
import { ApiError } from '../kube/errors.ts';
import { apiVersionOf, dataVolumes, subjectAccessReviews } from '../kube/resource.ts';

/** May this user clone from this source? The API server's authorizers are asked; nothing is remembered between two questions. */

export interface Access {
  readonly allowed: boolean;
  /** The authorizer's own words. For logs: it may name roles and bindings that the user is not meant to know. */
  readonly reason?: string;
}

/**
 * Asks whether `user` may create `datavolumes/source` named like the source in the source's namespace. Neither the answer nor the
 * time it takes depends on whether the source exists.
 *
 * @throws ApiError when the question could not be put or has no usable answer. That is not a "no" to be shown to the user as
 *   forbidden, and never a "yes": report it as `CloneAuthorizationFailed`.
 */
export async function askAccess(
  client: Pick<Client, 'review'>,
  user: UserInfo,
  source: CloneSource,
  options?: CallOptions,
): Promise<Access> {
  // A review without a user is evaluated for its groups alone, which is a question about somebody else.
  if (user.username === '') throw notEvaluated('the request names no user', { code: 400, reason: 'BadRequest' });
  return accessOf(await client.review(subjectAccessReviews, questionOf(user, source), options));
}

/** Everything that identifies the user goes along: an authorizer may look at uid, groups and extra as well as at the name. */
function questionOf(user: UserInfo, source: CloneSource): SubjectAccessReview {
  return {
    apiVersion: apiVersionOf(subjectAccessReviews),
    kind: subjectAccessReviews.kind,
    metadata: {},
    spec: {
      user: user.username,
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      ...(user.groups === undefined ? {} : { groups: user.groups }),
      ...(user.extra === undefined ? {} : { extra: user.extra }),
      resourceAttributes: {
        ...sourceSubresource,
        version: dataVolumes.version,
        namespace: source.namespace,
        name: source.name,
      },
    },
  };
}

const unreadable = { code: 0, reason: 'InvalidAnswer' };

/**
 * Reads the answer in the order in which the API server treats its own requests: an explicit denial ends the question, an allowing
 * authorizer counts even where another one failed, and only then does an evaluation error turn a mere lack of a "yes" into "could not
 * be evaluated". RBAC reports its dangling role references in `reason`, not as an evaluation error, so they remain a plain "no".
 */
function accessOf(answer: unknown): Access {
  const status = isObject(answer) ? answer['status'] : undefined;
  if (!isObject(status)) throw notEvaluated('the answer has no status', unreadable);
  const { allowed, denied = false, reason, evaluationError } = status;
  if (typeof allowed !== 'boolean' || typeof denied !== 'boolean')
    throw notEvaluated('the answer is neither a yes nor a no', unreadable);
  const words = typeof reason === 'string' && reason !== '' ? { reason } : {};
  if (denied) return { allowed: false, ...words };
  if (allowed) return { allowed: true, ...words };
  if (evaluationError === undefined || evaluationError === '') return { allowed: false, ...words };
  const why = typeof evaluationError === 'string' ? evaluationError : 'an authorizer failed';
  throw notEvaluated(why, { code: 500, reason: 'InternalError' });
}

function notEvaluated(why: string, init: { code: number; reason: string }): ApiError {
  return new ApiError(`SubjectAccessReview could not be evaluated: ${why}`, init);
}
