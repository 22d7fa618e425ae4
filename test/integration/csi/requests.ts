import type { status } from '@grpc/grpc-js';
import { expect } from 'vitest';

/** Pieces of requests and answers that the tests of the driver share. */

const accessMode = { mode: 'SINGLE_NODE_WRITER' };

export const blockCapability = { accessMode, block: {} };
export const mountCapability = { accessMode, mount: { fsType: 'ext4' } };

export interface VolumeAnswer {
  readonly volume: { readonly volumeId: string; readonly capacityBytes: string; readonly contentSource: object | null };
}

/** What a refused call rejects with. */
export function expectation(code: status, details = /./): unknown {
  return expect.objectContaining({ code, details: expect.stringMatching(details) });
}
