import type { KubeObject, ObjectMeta, Stored } from '../../../shared/api/objects.ts';
import type { Resource } from '../../../shared/kube/resource.ts';

/** The cheapest kind that every API server has. */
export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export const configMaps: Resource<ConfigMap> = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
};

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
