import type { UserInfo } from '../shared/api/admission.ts';
import { type CloneSource, type DataVolume, namedSource } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import type { CallOptions, Client } from '../shared/kube/client.ts';
import { ApiError } from '../shared/kube/errors.ts';
import { askAccess } from '../shared/trust/access.ts';
import type { Verifier } from '../shared/trust/keys.ts';
import { matchStamp, StampError, type VerifiedStamp, verifyStamp } from '../shared/trust/stamp.ts';

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

/** Never throws for anything that the DataVolume holds. */
export async function verify(verifier: Verifier, volume: DataVolume): Promise<Verification> {
  try {
    const stamp = await verifyStamp(verifier, volume.metadata.annotations?.[annotations.stamp]);
    // A DataSource is not followed again: the stamp says where it led when the user's right was asked for.
    const mismatch = matchStamp(stamp, volume, namedSource(volume) ?? stamp.source);
    if (mismatch !== undefined) return { valid: false, message: mismatch.message };
    return { valid: true, source: stamp.source, user: userOf(stamp) };
  } catch (error) {
    if (error instanceof StampError) return { valid: false, message: error.message };
    throw error;
  }
}

function userOf({ user, identity }: VerifiedStamp): UserInfo {
  // Without the identity another user would be asked about: one without groups. The verifier lacks its identity key.
  if (identity === undefined) throw new Error('the identity in the authorization stamp cannot be read without its key');
  const { uid, groups, extra } = identity;
  return { username: user, groups, extra, ...(uid === undefined ? {} : { uid }) };
}

/** Whether the user has the right at this moment. `failed`: nobody could tell, and so nothing is done. */
export type Right =
  | { readonly answer: 'unasked' | 'allowed' }
  | { readonly answer: 'denied' | 'failed'; readonly message: string };

export const unasked: Right = { answer: 'unasked' };

/** Asks the API server on behalf of the stamped user. Nothing is remembered: the next clone asks again. */
export async function askRight(
  client: Pick<Client, 'review'>,
  { user, source }: Extract<Verification, { valid: true }>,
  options?: CallOptions,
): Promise<Right> {
  const who = `user ${JSON.stringify(user.username)}`;
  const what = `create datavolumes/source for ${source.kind} ${source.namespace}/${source.name}`;
  try {
    const { allowed } = await askAccess(client, user, source, options);
    return allowed ? { answer: 'allowed' } : { answer: 'denied', message: `${who} may not ${what} any more` };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { answer: 'failed', message: `it could not be found out whether ${who} may ${what}: ${error.message}` };
  }
}
