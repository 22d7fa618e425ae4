import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { json } from 'node:stream/consumers';
import { parseArgs } from 'node:util';

/**
 * The least that a webhook in Node can be: node:https alone, and yes to everything. What it costs is the floor for any webhook.
 * GET /count tells how it was called.
 */

const { values } = parseArgs({
  options: { port: { type: 'string' }, cert: { type: 'string', default: '' }, key: { type: 'string', default: '' } },
});

/** How calls came in, by version of HTTP. */
const calls: Record<string, number> = {};
let handshakes = 0;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('content-type', 'application/json');
  if (request.method === 'GET') {
    response.end(JSON.stringify({ calls, handshakes }));
    return;
  }
  calls[request.httpVersion] = (calls[request.httpVersion] ?? 0) + 1;
  const review = (await json(request)) as { readonly request: { readonly uid: string } };
  const yes = { uid: review.request.uid, allowed: true };
  response.end(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: yes }));
}

// Connections stay open as long as Clonegate's, for the same reason: the API server shall be the one to close.
const files = { cert: readFileSync(values.cert), key: readFileSync(values.key) };
const server = createServer({ ...files, minVersion: 'TLSv1.3', keepAliveTimeout: 120_000 }, (request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.on('secureConnection', () => {
  handshakes += 1;
});
server.listen(Number(values.port), '127.0.0.1');
