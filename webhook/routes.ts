import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { within } from '../shared/kube/deadline.ts';
import type { Clock } from '../shared/process/clock.ts';
import type { Logger } from '../shared/process/log.ts';
import type { Audit } from './audit.ts';
import { BodyError, readJson } from './body.ts';
import { budgetOf } from './deadline.ts';
import { errored } from './respond.ts';
import { parseReview, type Review, ReviewError, reviewOf } from './review.ts';
import type { Handler, Ruling } from './ruling.ts';
import { audited, verdictOf } from './verdict.ts';

/** POST /mutate and POST /validate and nothing else: from a body to a ruling to an answer, and to the audit once that is sent. */

export interface RouteOptions {
  readonly handlers: readonly Handler[];
  readonly audit: Audit;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn' | 'error'>;
}

export function addRoutes(server: FastifyInstance, options: RouteOptions): void {
  const { handlers, clock } = options;
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', async (_: unknown, body: IncomingMessage) => await readJson(body));
  reportErrors(server, options);
  const begun = new WeakMap<IncomingMessage, number>();
  server.addHook('onRequest', async ({ raw }) => void begun.set(raw, clock.elapsed()));
  for (const handler of handlers) {
    server.post(`/${handler.webhook}`, async (request, reply) =>
      answer(options, handler, request, reply, begun.get(request.raw) ?? clock.elapsed()),
    );
  }
}

/** What cannot be answered as a review is answered by HTTP: in a sentence, without anything of the inside. */
function reportErrors(server: FastifyInstance, { log }: RouteOptions): void {
  server.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
    const code = error.statusCode ?? 500;
    log[code < 500 ? 'warn' : 'error'](
      { err: error, method: request.method, code },
      'Request not answered as a review',
    );
    return reply.code(code).send({ code, message: code < 500 ? error.message : 'the webhook failed to answer' });
  });
  server.setNotFoundHandler(async (_request, reply) =>
    reply.code(404).send({ code: 404, message: 'only POST /mutate and POST /validate are served here' }),
  );
}

async function answer(
  { audit, clock }: RouteOptions,
  handler: Handler,
  request: FastifyRequest,
  reply: FastifyReply,
  started: number,
): Promise<object> {
  const review = read(request.body, (message) => audit.malformed(handler.webhook, message));
  if ('answer' in review) return review.answer;
  // The body may have taken its time; what is left of it is for the answer.
  const left = budgetOf(queryOf(request, 'timeout')) - (clock.elapsed() - started);
  const ruling = await ruleInTime(handler, review, Math.max(left, 0), clock);
  const verdict = verdictOf(handler.webhook, review, ruling);
  // When the response is out (or the API server has gone): an event must not tell of an answer that was never given another way.
  reply.raw.once('close', () => audit.tell(verdict, (clock.elapsed() - started) / 1000));
  return reviewOf(audited(verdict, ruling.response));
}

/** @throws BodyError when there is no uid to answer to. */
function read(body: unknown, malformed: (message: string) => void): Review | { readonly answer: object } {
  try {
    return parseReview(body);
  } catch (error) {
    if (!(error instanceof ReviewError)) throw error;
    const { uid, message } = error;
    malformed(message);
    if (uid === undefined) throw new BodyError(400, message);
    return { answer: reviewOf(errored(uid, { reason: 'MalformedReview', message })) };
  }
}

async function ruleInTime(handler: Handler, review: Review, budget: number, clock: Clock): Promise<Ruling> {
  const expired = (): Error => new Error(`no answer within ${budget} ms`);
  try {
    return await within(clock, budget, undefined, expired, async (signal) => await handler.rule(review, signal));
  } catch (error) {
    return handler.fail(review, error);
  }
}

function queryOf({ query }: FastifyRequest, key: string): unknown {
  return typeof query === 'object' && query !== null ? Reflect.get(query, key) : undefined;
}
