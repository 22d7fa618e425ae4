import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clean, type Emission, eventBody, eventName } from '../../../shared/kube/event-object.ts';

const reporter = { reportingController: 'clonegate.io/webhook', reportingInstance: 'webhook-1' };
const emission: Emission = {
  namespace: 'tenant',
  regarding: { apiVersion: 'cdi.kubevirt.io/v1beta1', kind: 'DataVolume', namespace: 'tenant', name: 'dv' },
  reason: 'CloneDenied',
  action: 'Authorize',
  type: 'Warning',
  note: 'no',
};

describe('clean text', () => {
  test('is one line, without anything that hides or reorders text', () => {
    expect(clean('a\r\nb\u0000\u001b[31mc\u202Ed\u2028e', 1024)).toBe('a b [31mc d e');
  });

  test('is cut on the border of a character', () => {
    expect(clean('ääää', 8)).toBe('ääää');
    expect(clean('äääää', 8)).toBe('ää…');
    expect(clean('a😀😀', 8)).toBe('a😀…');
    expect(clean('a😀😀', 7)).toBe('a…');
  });

  test('has at most so many bytes, whatever comes in, and is well-formed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 3, max: 80 }), (text, limit) => {
        const result = clean(text, limit);
        expect(Buffer.byteLength(result)).toBeLessThanOrEqual(limit);
        expect(result.isWellFormed()).toBe(true);
        expect(result).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
    );
  });

  test('survives halves of characters', () => {
    expect(clean('a\uD83D', 10)).toBe('a\uFFFD');
  });
});

describe('an event', () => {
  test('has all that the API server asks for', () => {
    expect(eventBody(emission, reporter, 1_700_000_000_123)).toEqual({
      metadata: { labels: {}, annotations: {} },
      eventTime: expect.stringMatching(/^2023-11-14T22:13:20\.123\d{3}Z$/u),
      type: 'Warning',
      reason: 'CloneDenied',
      action: 'Authorize',
      note: 'no',
      regarding: emission.regarding,
      reportingController: 'clonegate.io/webhook',
      reportingInstance: 'webhook-1',
    });
  });

  test('leaves out a label that could not be one', () => {
    const labels = { target: 'x'.repeat(64), source: 'golden.win-10', odd: 'a b', none: '' };
    expect(eventBody({ ...emission, labels }, reporter, 0).metadata.labels).toEqual({
      source: 'golden.win-10',
      none: '',
    });
  });

  test('keeps its texts within the limits', () => {
    const long = 'x'.repeat(100_000);
    const body = eventBody(
      { ...emission, note: long, annotations: { user: long }, related: { name: long } },
      { ...reporter, reportingInstance: long },
      0,
    );
    expect(Buffer.byteLength(body.note)).toBe(1024);
    expect(Buffer.byteLength(body.reportingInstance)).toBe(128);
    expect(Buffer.byteLength(body.related?.name ?? '')).toBe(253);
    expect(Buffer.byteLength(body.metadata.annotations['user'] ?? '')).toBe(4096);
  });
});

describe('the name of an event', () => {
  const name = (over: Partial<Emission> = {}, window = 0): string =>
    eventName({ ...emission, ...over }, reporter, window);

  test('is the same in every replica', () => {
    expect(eventName(emission, { ...reporter, reportingInstance: 'webhook-2' }, 0)).toBe(name());
  });

  test('differs by object, note, reason, namespace and window', () => {
    const names = [
      name(),
      name({ note: 'other' }),
      name({ regarding: { ...emission.regarding, name: 'dv2' } }),
      name({ regarding: { ...emission.regarding, uid: 'u' } }),
      name({ reason: 'CloneRejected' }),
      name({ namespace: 'audit' }),
      name({}, 600_000),
    ];
    expect(new Set(names).size).toBe(names.length);
  });

  test('by a key of the caller, does not depend on object and note', () => {
    expect(name({ key: 'jane golden/win', note: 'a' })).toBe(
      name({ key: 'jane golden/win', regarding: { name: 'b' } }),
    );
    expect(name({ key: 'jane' })).not.toBe(name({ key: 'joe' }));
  });

  test('is a DNS subdomain whatever the object is called', () => {
    expect(name({ regarding: { name: 'UPPER_case-/..' } })).toMatch(/^[a-z0-9-]{1,253}$/u);
  });
});
