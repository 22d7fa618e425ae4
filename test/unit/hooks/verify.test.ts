import { expect, test } from 'vitest';
import { allowedSource, verify } from '../../../hooks/verify.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import type { Client } from '../../../shared/kube/client.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { FakeClock } from '../../support/clock.ts';

const log = createLogger({ level: 'silent', name: 'test' });

type Answer = 'stamped' | 'unstamped' | ApiError;

const forbidden = (message: string): ApiError => new ApiError(message, { code: 403, reason: 'Forbidden' });
const denied = forbidden('admission webhook "validate.datavolumes.clonegate.io" denied the request: CloneDenied: …');

/** A cluster that gives these two answers. */
async function verified(allowed: Answer, refused: Answer, mode: 'enforce' | 'shadow' = 'enforce'): Promise<string> {
  const dryRuns: unknown[] = [];
  const create = async (_kind: unknown, volume: DataVolume, options?: { readonly dryRun?: boolean }) => {
    dryRuns.push(options?.dryRun);
    const answer = volume.spec.source?.pvc?.name === allowedSource ? allowed : refused;
    if (answer instanceof ApiError) throw answer;
    const stamp = answer === 'stamped' ? { [annotations.stamp]: 'x' } : {};
    return { ...volume, metadata: { ...volume.metadata, annotations: stamp } };
  };
  const client = { create } as unknown as Pick<Client, 'create'>;
  const clock = new FakeClock();
  try {
    const verifying = verify({ client, clock, log, namespace: 'clonegate-system', mode });
    await Promise.all([verifying, clock.advance(60_000)]);
    return 'works';
  } catch (error) {
    return (error as Error).message;
  } finally {
    expect(dryRuns.every((dryRun) => dryRun === true)).toBe(true);
  }
}

test.for<[string, Answer, Answer, 'enforce' | 'shadow', RegExp]>([
  ['the one is stamped and the other refused', 'stamped', denied, 'enforce', /^works$/],
  [
    'a policy refuses before the webhook',
    'stamped',
    forbidden("policy 'x' denied request: CloneDenied"),
    'enforce',
    /^works$/,
  ],
  ['the webhook is not called', 'unstamped', 'unstamped', 'enforce', /without a stamp/],
  [
    'the webhook is away',
    new ApiError('failed calling webhook', { code: 500, reason: 'InternalError' }),
    denied,
    'enforce',
    /allowed was refused: failed calling/,
  ],
  ['all is let in', 'stamped', 'stamped', 'enforce', /not allowed was admitted/],
  [
    'RBAC refuses the create itself',
    'stamped',
    forbidden('cannot create resource "datavolumes"'),
    'enforce',
    /not for that/,
  ],
  ['shadow mode lets the other in unstamped', 'stamped', 'unstamped', 'shadow', /^works$/],
  ['shadow mode stamps it', 'stamped', 'stamped', 'shadow', /was stamped/],
])('%s', async ([, allowed, refused, mode, outcome]) => {
  expect(await verified(allowed, refused, mode)).toMatch(outcome);
});

test('what is allowed may take a moment to be so', async () => {
  const answers: Answer[] = ['unstamped', forbidden('cannot create resource "datavolumes"'), 'stamped'];
  const create = async (_kind: unknown, volume: DataVolume) => {
    if (volume.spec.source?.pvc?.name !== allowedSource) throw denied;
    const answer = answers.shift();
    if (answer instanceof ApiError) throw answer;
    return { ...volume, metadata: { annotations: answer === 'stamped' ? { [annotations.stamp]: 'x' } : {} } };
  };
  const clock = new FakeClock();
  const client = { create } as unknown as Pick<Client, 'create'>;
  const verifying = verify({ client, clock, log, namespace: 'clonegate-system', mode: 'enforce' });
  await Promise.all([verifying, clock.advance(10_000)]);
  expect(answers).toEqual([]);
});
