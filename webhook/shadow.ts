import { allowed, withWarnings } from './respond.ts';
import type { Review } from './review.ts';
import type { Handler, Ruling } from './ruling.ts';
import { sparedText, stampedText, unstampedText } from './words.ts';

/**
 * Shadow mode: the handler rules as ever, and what it refuses is let pass with a warning and recorded as what would have been refused.
 * Safe, because the controller executes nothing that carries no stamp: what nobody was authorized to clone is stored and never cloned.
 */
export function shadowed(handler: Handler): Handler {
  return {
    webhook: handler.webhook,
    rule: async (review, signal) => spare(review, await handler.rule(review, signal)),
    fail: (review, error) => spare(review, handler.fail(review, error)),
  };
}

function spare({ uid, operation }: Review, { response, about = {} }: Ruling): Ruling {
  if (response.allowed) return { response, about };
  const outlook = operation === 'UPDATE' || about.access === 'stamped' ? stampedText : unstampedText;
  const warnings = [...(response.warnings ?? []), sparedText(response.status?.message ?? ''), outlook];
  return { response: withWarnings(allowed(uid), warnings), about: { ...about, spared: response } };
}
