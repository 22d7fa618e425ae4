import type { KubeObject } from './objects.ts';

/** admission.k8s.io/v1, the parts that a webhook for namespaced objects reads and writes. */

/** The requesting user, exactly as the API server authenticated it. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface AdmissionRequest<T extends KubeObject> {
  readonly uid: string;
  readonly operation: Operation;
  readonly resource: { readonly group: string; readonly version: string; readonly resource: string };
  readonly subResource?: string;
  /** Empty on a mutating CREATE with generateName. */
  readonly name: string;
  readonly namespace: string;
  readonly userInfo: UserInfo;
  readonly dryRun: boolean;
  readonly object: T;
  readonly oldObject?: T;
}

export interface StatusCause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: {
    readonly code: number;
    readonly reason: string;
    readonly message: string;
    readonly details?: { readonly causes: readonly StatusCause[] };
  };
  readonly patchType?: 'JSONPatch';
  /** base64 of an RFC 6902 document. */
  readonly patch?: string;
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
}
