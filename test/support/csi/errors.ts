import { status } from '@grpc/grpc-js';

/** A refusal that the caller sees with this gRPC code; which code means what is the CSI specification's. */
export class CsiError extends Error {
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.name = 'CsiError';
    this.code = code;
  }
}

/**
 * Returns the value of a field that the specification calls required.
 * @throws CsiError INVALID_ARGUMENT when it is empty or absent.
 */
export function required<T>(value: T | null | undefined | '', field: string): T {
  if (value === null || value === undefined || value === '') {
    throw new CsiError(status.INVALID_ARGUMENT, `${field} is missing from the request`);
  }
  return value;
}

/** Whether an error of node's file system calls carries this code, such as ENOENT. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
