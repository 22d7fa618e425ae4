import type { DataVolume } from '../shared/api/datavolume.ts';
import { annotations } from '../shared/api/names.ts';
import type { Client } from '../shared/kube/client.ts';
import { ApiError } from '../shared/kube/errors.ts';
import { dataVolumes } from '../shared/kube/resource.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';

/**
 * Whether admission works from end to end: API server, certificate, webhook, question about the right, answer. Two DataVolumes are created by
 * server-side dry run, as a user who may clone one source and not the other. Nothing is stored, and neither source has to exist.
 */
export interface VerifyOptions {
  readonly client: Pick<Client, 'create'>;
  readonly clock: Pick<Clock, 'elapsed' | 'sleep'>;
  readonly log: Logger;
  /** Where the two are tried. */
  readonly namespace: string;
  /** Shadow mode lets the second pass, but does not stamp it. */
  readonly mode: 'enforce' | 'shadow';
}

/** The one source that the chart lets the account clone from. */
export const allowedSource = 'clonegate-verify';
const refusedSource = { namespace: 'default', name: 'clonegate-verify-refused' } as const;

/** What the webhook, or the policy beside it, says of somebody without the right. */
const refusal = /validate\.datavolumes\.clonegate\.io|CloneDenied/;

/** @throws Error that says which of the two did not come out as it should, and why. */
export async function verify(options: VerifyOptions): Promise<void> {
  const { log, namespace } = options;
  await expectAllowed(options);
  log.info({ source: `${namespace}/${allowedSource}` }, 'A clone that is allowed was admitted and stamped');
  const said = await expectRefused(options);
  log.info({ source: `${refusedSource.namespace}/${refusedSource.name}`, said }, 'A clone that is not was refused');
}

/** Milliseconds. After an install, every API server hears by itself of the configuration, of whom to trust and of the rights. */
const patience = 30_000;
const pause = 1000;

async function expectAllowed({ client, clock, namespace }: VerifyOptions): Promise<void> {
  const deadline = clock.elapsed() + patience;
  for (;;) {
    const volume = await attempt(client, namespace, { namespace, name: allowedSource });
    if (!(volume instanceof ApiError) && isStamped(volume)) return;
    if (clock.elapsed() >= deadline) throw notAllowed(volume);
    await clock.sleep(pause);
  }
}

function notAllowed(answer: DataVolume | ApiError): Error {
  return answer instanceof ApiError
    ? new Error(`a clone that is allowed was refused: ${answer.message}`, { cause: answer })
    : new Error('a clone that is allowed came back without a stamp: API servers do not call the webhook');
}

/** @returns the words of the refusal. */
async function expectRefused({ client, namespace, mode }: VerifyOptions): Promise<string> {
  const answer = await attempt(client, namespace, refusedSource);
  if (mode === 'shadow' && !(answer instanceof ApiError)) {
    if (isStamped(answer)) throw new Error('a clone that is not allowed was stamped');
    return 'nothing, in shadow mode; it got no stamp';
  }
  if (!(answer instanceof ApiError)) throw new Error('a clone that is not allowed was admitted');
  if (answer.code < 500 && refusal.test(answer.message)) return answer.message;
  throw new Error(`a clone that is not allowed was refused, but not for that: ${answer.message}`, { cause: answer });
}

async function attempt(
  client: Pick<Client, 'create'>,
  namespace: string,
  pvc: { readonly namespace: string; readonly name: string },
): Promise<DataVolume | ApiError> {
  const spec = { source: { pvc }, storage: { resources: { requests: { storage: '1Gi' } } } };
  const metadata = { namespace, name: 'clonegate-verify-target' };
  try {
    return await client.create(dataVolumes, { metadata, spec }, { dryRun: true });
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}

function isStamped({ metadata }: DataVolume): boolean {
  return metadata.annotations?.[annotations.stamp] !== undefined;
}
