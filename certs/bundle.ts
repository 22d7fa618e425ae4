import type { Stored, WebhookConfiguration } from '../shared/api/objects.ts';
import type { Client } from '../shared/kube/client.ts';
import { getIfExists } from '../shared/kube/get.ts';
import { mutatingConfigurations, type Resource, validatingConfigurations } from '../shared/kube/resource.ts';

/**
 * Whom API servers trust when they call the webhook: `caBundle` in the two configurations. The rest of these belongs to whoever
 * installed them, and stays untouched.
 */

const kinds = [mutatingConfigurations, validatingConfigurations];

/** One configuration as it was read. */
export interface Configured {
  readonly kind: Resource<WebhookConfiguration>;
  readonly object: Stored<WebhookConfiguration>;
}

type Reader = Pick<Client, 'get'>;
type Writer = Pick<Client, 'apply'>;

/** Those of the two that exist: they may be installed later than the webhook. */
export async function readConfigurations(client: Reader, name: string): Promise<readonly Configured[]> {
  const found = await Promise.all(
    kinds.map(async (kind) => {
      const object = await getIfExists(client, kind, { name });
      return object === undefined ? [] : [{ kind, object }];
    }),
  );
  return found.flat();
}

/** What they trust, in PEM, one text for each webhook. */
export function bundlesOf(configured: readonly Configured[]): readonly string[] {
  return configured.flatMap(({ object }) =>
    (object.webhooks ?? []).map(({ clientConfig }) => Buffer.from(clientConfig.caBundle ?? '', 'base64').toString()),
  );
}

/**
 * Tells them, where they say otherwise. @throws ApiError `Conflict` for one that has changed since it was read: what was true then may not
 * be any more.
 */
export async function publishBundle(client: Writer, configured: readonly Configured[], bundle: string): Promise<void> {
  const caBundle = Buffer.from(bundle).toString('base64');
  for (const { kind, object } of configured) {
    const { name, resourceVersion } = object.metadata;
    const webhooks = (object.webhooks ?? []).map((webhook) => ({ name: webhook.name, clientConfig: { caBundle } }));
    if (bundlesOf([{ kind, object }]).every((told) => told === bundle)) continue;
    // By force: the field is ours by the settings, whoever wrote to it before.
    await client.apply(kind, { metadata: { name, resourceVersion }, webhooks }, { force: true });
  }
}
