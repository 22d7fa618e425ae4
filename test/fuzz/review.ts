/** The bodies that the API server sends. */

export interface ReviewParts {
  readonly uid: string;
  readonly user: unknown;
  readonly namespace: string;
  readonly object: unknown;
  /** Makes it an UPDATE. */
  readonly oldObject?: unknown;
  readonly name?: string;
  readonly dryRun?: boolean;
}

export function createReview({ uid, user, namespace, object, oldObject, name = '', dryRun = false }: ReviewParts) {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      kind: { group: 'cdi.kubevirt.io', version: 'v1beta1', kind: 'DataVolume' },
      resource: { group: 'cdi.kubevirt.io', version: 'v1beta1', resource: 'datavolumes' },
      operation: oldObject === undefined ? 'CREATE' : 'UPDATE',
      name,
      namespace,
      userInfo: user,
      dryRun,
      object,
      ...(oldObject === undefined ? {} : { oldObject }),
    },
  };
}
