import type { ConfigMap, ObjectMeta, Stored } from '../../../shared/api/objects.ts';

export type { ConfigMap } from '../../../shared/api/objects.ts';
/** The cheapest kind that every API server has. */
export { configMaps } from '../../../shared/kube/resource.ts';

/** One as the API server keeps it; `uid` follows the name unless given. */
export function configMap(
  name: string,
  over: Partial<ObjectMeta> = {},
  data: ConfigMap['data'] = {},
): Stored<ConfigMap> {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { namespace: 'ns', name, uid: `uid-of-${name}`, resourceVersion: '1', ...over },
    data,
  };
}
