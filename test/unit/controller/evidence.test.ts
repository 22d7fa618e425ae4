import { expect, test } from 'vitest';
import { createEvidence } from '../../../controller/evidence.ts';
import type { Event } from '../../../shared/api/objects.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { FakeClock } from '../../support/clock.ts';

/** Who may write events in a namespace may write many, in any order. */

function said(note: string, eventTime: string, uid = 'claim'): Partial<Event> {
  return { type: 'Warning', reason: 'ProvisioningFailed', note, eventTime, regarding: { uid } };
}

function evidenceOf(...pages: readonly (readonly Partial<Event>[])[]) {
  const client = {
    async *pages() {
      // They have what is read of them.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      for (const items of pages) yield { items: items as never[], resourceVersion: '1' };
    },
  };
  return createEvidence(client, new FakeClock(), createLogger({ level: 'silent', name: 'test' }));
}

const { signal } = new AbortController();
const [early, late] = ['2026-01-02T03:04:05Z', '2026-01-02T03:04:06Z'];

test('the last word counts, on whichever page it is', async () => {
  const evidence = evidenceOf(
    [said('first', early), said('last', late)],
    [said('other', late, 'other'), said('x', early)],
  );

  expect(await evidence.provisioning({ namespace: 'golden', uid: 'claim' }, signal)).toBe('last');
  expect(await evidence.provisioning({ namespace: 'golden', uid: 'other' }, signal)).toBe('other');
  expect(await evidence.provisioning({ namespace: 'golden', uid: 'none' }, signal)).toBeUndefined();
});

test('of events of the same time the later in the list', async () => {
  const evidence = evidenceOf([said('one', late)], [said('two', late)]);

  expect(await evidence.lastEvent({ namespace: 'golden', name: 'a', kind: 'Pod' }, signal)).toBe(
    'Warning ProvisioningFailed: two',
  );
});
