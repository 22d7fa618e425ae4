import type { UserInfo } from '../shared/api/admission.ts';
import { type CloneSource, type DataVolume, namedSource } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import type { KubeObject, ObjectRef } from '../shared/api/objects.ts';
import type { ReasonCode } from '../shared/api/reasons.ts';
import { asAdmitted } from '../shared/decision/fallback.ts';
import { describe } from '../shared/decision/rules.ts';
import { vetoes } from '../shared/decision/veto.ts';
import type { CallOptions, Client } from '../shared/kube/client.ts';
import { ApiError } from '../shared/kube/errors.ts';
import { getIfExists } from '../shared/kube/get.ts';
import { claims, namespaces, type Resource, volumeSnapshots } from '../shared/kube/resource.ts';
import { type AccessPolicy, askAccess, type Question } from '../shared/trust/access.ts';
import { matchStamp, StampError, type StampReader, type VerifiedStamp } from '../shared/trust/stamp.ts';

/** Whether a DataVolume may be executed: was it authorized at admission, and does its user still have the right? */

/** What became of the check of a DataVolume's stamp. */
export type Verification =
  | {
      readonly valid: true;
      /** What was authorized, and so what is cloned, whatever a DataSource says by now. */
      readonly source: CloneSource & { readonly uid?: string };
      readonly user: UserInfo;
    }
  | { readonly valid: false; readonly message: string };

/** Never throws for anything that the DataVolume holds. @throws KeysUnknownError when it could not be seen whether there are new keys. */
export async function verify(readStamp: StampReader, volume: DataVolume): Promise<Verification> {
  try {
    const stamp = await readStamp(volume.metadata.annotations?.[annotations.stamp]);
    // A DataSource is not followed again: the stamp says where it led when the user's right was asked for.
    const mismatch = matchStamp(stamp, admitted(volume), namedSource(volume) ?? stamp.source);
    if (mismatch !== undefined) return { valid: false, message: mismatch.message };
    return { valid: true, source: stamp.source, user: userOf(stamp) };
  } catch (error) {
    if (error instanceof StampError) return { valid: false, message: error.message };
    throw error;
  }
}

/** A strategy that failed is left for the next one, but what was stamped is the decision as admission made it. */
function admitted({ metadata, ...rest }: DataVolume): DataVolume {
  return { ...rest, metadata: { ...metadata, annotations: asAdmitted(metadata.annotations) } };
}

function userOf({ user, identity }: VerifiedStamp): UserInfo {
  // Without the identity another user would be asked about: one without groups. The verifier lacks its identity key.
  if (identity === undefined) throw new Error('the identity in the authorization stamp cannot be read without its key');
  const { uid, groups, extra } = identity;
  return { username: user, groups, extra, ...(uid === undefined ? {} : { uid }) };
}

/** Whether the clone may begin at this moment. `failed`: nobody could tell, and so nothing is done. */
export type Right =
  | { readonly answer: 'unasked' | 'allowed' }
  | {
      readonly answer: 'denied';
      readonly message: string;
      readonly reason: Extract<ReasonCode, 'CloneAuthorizationRevoked' | 'CloneVetoed'>;
    }
  | { readonly answer: 'failed'; readonly message: string };

export const unasked: Right = { answer: 'unasked' };

/**
 * Asks the API server on behalf of the stamped user, by the rules that hold now, and looks for a veto of those in charge of the source.
 * Nothing is remembered: the next clone asks again.
 */
export async function askRight(
  client: Pick<Client, 'get' | 'review'>,
  question: Question,
  policy: AccessPolicy,
  options?: CallOptions,
): Promise<Right> {
  const { user, source } = question;
  const who = `user ${JSON.stringify(user.username)}`;
  const what = `create datavolumes/source for ${describe(source)}`;
  try {
    const { allowed } = await askAccess(client, question, policy, options);
    if (!allowed)
      return { answer: 'denied', reason: 'CloneAuthorizationRevoked', message: `${who} may not ${what} any more` };
    const by = await vetoOn(client, source, options);
    if (by === undefined) return { answer: 'allowed' };
    const message = `${by} lets nobody clone (annotation ${annotations.clone})`;
    return { answer: 'denied', reason: 'CloneVetoed', message };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { answer: 'failed', message: `it could not be found out whether ${who} may ${what}: ${error.message}` };
  }
}

/** Read live: it is asked once for each clone, and a veto that has just been put up is to hold. */
async function vetoOn(
  client: Pick<Client, 'get'>,
  source: CloneSource,
  options?: CallOptions,
): Promise<string | undefined> {
  const { kind, namespace, name } = source;
  const resource: Resource<KubeObject> = kind === 'VolumeSnapshot' ? volumeSnapshots : claims;
  if (await isVetoed(client, resource, { namespace, name }, options)) return describe(source);
  const ofNamespace = await isVetoed(client, namespaces, { name: namespace }, options);
  return ofNamespace ? `namespace ${namespace}` : undefined;
}

/** What does not exist says nothing; whether that is an obstacle is for others to find. */
async function isVetoed(
  client: Pick<Client, 'get'>,
  resource: Resource<KubeObject>,
  ref: ObjectRef,
  options?: CallOptions,
): Promise<boolean> {
  return vetoes(await getIfExists(client, resource, ref, options));
}
