import { expect, test } from 'vitest';
import { type Dated, watchExpiry } from '../../../certs/expiry.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { FakeClock } from '../../support/clock.ts';

const minute = 60_000;

async function watching(held: Dated[]) {
  const clock = new FakeClock();
  const events: Emission[] = [];
  const metrics = createMetrics({ process: false });
  const log = createLogger({ level: 'silent', name: 'test' });
  const about = { kind: 'Secret', namespace: 'ns', name: 'ca' };
  const recorder = { emit: (emission: Emission) => void events.push(emission) };
  await watchExpiry({ clock, log, metrics, recorder, about, held: () => held }).start(
    new AbortController().signal,
    () => undefined,
  );
  const end = async (role: string): Promise<number | undefined> => {
    const metric = await metrics.registry.getSingleMetric('clonegate_certificate_expiration_timestamp_seconds')?.get();
    return metric?.values.find(({ labels }) => labels['role'] === role)?.value;
  };
  return { clock, events, end };
}

const start = new FakeClock().now();
const lasting = (role: Dated['role'], minutes: number): Dated => ({
  role,
  fingerprint: `${role} ${minutes}`,
  notBefore: start,
  notAfter: start + minutes * minute,
});

test('the end of each certificate in use is told as soon as it is in use', async () => {
  const held = [lasting('ca', 60), lasting('leaf', 6)];
  const { clock, end } = await watching(held);
  expect(await end('ca')).toBe(start / 1000 + 60 * 60);
  expect(await end('leaf')).toBe(start / 1000 + 6 * 60);
  held[1] = lasting('leaf', 9);
  await clock.advance(minute);
  expect(await end('leaf')).toBe(start / 1000 + 9 * 60);
});

test('one that is near its end is told of once, and its successor again', async () => {
  const held = [lasting('leaf', 60)];
  const { clock, events } = await watching(held);
  await clock.advance(50 * minute);
  expect(events).toEqual([]);
  await clock.advance(2 * minute);
  expect(events).toMatchObject([{ reason: 'CertificateExpiring', type: 'Warning', regarding: { name: 'ca' } }]);
  held[0] = lasting('leaf', 59);
  await clock.advance(2 * minute);
  expect(events).toHaveLength(2);
});
