import { Agent, request } from 'undici';
import type { AdmissionResponse, UserInfo } from '../../../shared/api/admission.ts';
import type { RunningWebhook } from '../../support/webhook.ts';
import { clone } from './scene.ts';

/** Calling the webhook as an API server would, for what no API server can be brought to send, or not a thousand times a minute. */

export interface Caller extends AsyncDisposable {
  post(path: string, body: string | Buffer): Promise<{ readonly code: number; readonly text: string }>;
  /** @throws Error when the answer is no review. */
  review(path: string, body: string): Promise<AdmissionResponse>;
}

export function callerOf({ url, ca }: Pick<RunningWebhook, 'url' | 'ca'>, connections = 100): Caller {
  const dispatcher = new Agent({ connect: { ca, timeout: 240_000 }, connections, headersTimeout: 240_000 });
  const post: Caller['post'] = async (path, body) => {
    const headers = { 'content-type': 'application/json' };
    const response = await request(`${url}${path}`, { method: 'POST', dispatcher, headers, body });
    return { code: response.statusCode, text: await response.body.text() };
  };
  return {
    post,
    review: async (path, body) => {
      const { code, text } = await post(path, body);
      if (code !== 200) throw new Error(`${code}: ${text}`);
      return (JSON.parse(text) as { readonly response: AdmissionResponse }).response;
    },
    [Symbol.asyncDispose]: async () => await dispatcher.destroy(),
  };
}

export interface Asking {
  readonly uid?: string;
  readonly user?: UserInfo;
  readonly namespace?: string;
  readonly name?: string;
  readonly source?: string;
  readonly dryRun?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The body of a CREATE that the mutating webhook has not seen: it clones `golden/SOURCE`, by somebody who has no right to anything. */
export function reviewOf(asking: Asking = {}): string {
  const { uid = 'u-1', namespace = 'tenant-b', name = 'direct', source = 'fedora' } = asking;
  // Everybody has a budget of events of his own.
  const { user = { username: `lover-of-${source}`, groups: ['system:authenticated'] } } = asking;
  const metadata = { namespace, name, ...(asking.annotations && { annotations: asking.annotations }) };
  const object = clone(metadata, { source: { pvc: { namespace: 'golden', name: source } } });
  const resource = { group: 'cdi.kubevirt.io', version: 'v1beta1', resource: 'datavolumes' };
  const fields = {
    uid,
    operation: 'CREATE',
    resource,
    namespace,
    userInfo: user,
    dryRun: asking.dryRun ?? false,
    object,
  };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: fields });
}

/** Sum of a metric over all series whose labels hold these. */
export async function metric(
  { opsUrl }: Pick<RunningWebhook, 'opsUrl'>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const text = await (await request(`${opsUrl}/metrics`)).body.text();
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => wanted.every((label) => line.includes(label)));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
