import { isObject } from '../api/json.ts';
import { ApiError, isNotFound } from './errors.ts';
import { type CallOptions, request, type Sender } from './request.ts';

/**
 * Plural names of what the API server serves in a version of a group, subresources included; none when it does not know the group. Anybody
 * who is logged in may ask. @throws ApiError
 */
export async function servedResources(
  sender: Sender,
  groupVersion: string,
  options: CallOptions = {},
): Promise<readonly string[]> {
  const path = `/apis/${groupVersion}`;
  try {
    const answer = await request(sender, { verb: 'get', method: 'GET', path, retry: 'safe', ...options });
    const resources =
      isObject(answer) && Array.isArray(answer['resources']) ? (answer['resources'] as unknown[]) : null;
    if (resources === null)
      throw new ApiError(`GET ${path}: not a list of resources`, { code: 0, reason: 'InvalidAnswer' });
    return resources.flatMap((each) => (isObject(each) && typeof each['name'] === 'string' ? [each['name']] : []));
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}
