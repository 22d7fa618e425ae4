import { describe, expect, test } from 'vitest';
import { createMetrics, metricsTable } from '../../../shared/process/metrics.ts';

describe('the metrics', () => {
  test('of the table are all there, each under its name and type', async () => {
    const text = await createMetrics({ process: false }).registry.metrics();
    for (const { name, type, help } of Object.values(metricsTable)) {
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
    }
  });

  test('follow the naming rules of Prometheus', () => {
    for (const { name, type } of Object.values(metricsTable)) {
      expect(name).toMatch(/^(clonegate|controller_runtime|workqueue|rest_client|leader_election)_[a-z_]+$/u);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/u);
    }
    const rows = Object.values(metricsTable);
    expect(rows.filter(({ name }) => name.endsWith('_total'))).toEqual(rows.filter(({ type }) => type === 'counter'));
  });

  test('are kept apart from those of another call', async () => {
    const [one, two] = [createMetrics({ process: false }), createMetrics({ process: false })];
    one.eventsDropped.inc({ cause: 'queue-full' }, 3);
    expect(await one.registry.metrics()).toContain('clonegate_events_dropped_total{cause="queue-full"} 3');
    expect(await two.registry.metrics()).not.toContain('clonegate_events_dropped_total{');
  });

  test('accept their own labels only, and all of them', () => {
    const metrics = createMetrics({ process: false });
    // @ts-expect-error: not a label of this metric
    expect(() => metrics.eventsDropped.inc({ reason: 'x' })).toThrow(/reason/u);
    // @ts-expect-error: the label `reason` is missing
    metrics.decisions.inc({ strategy: 'copy' });
    metrics.authorizationDuration.observe(0.2);
  });

  test('include those of the process, but no gauge that is named like a counter', async () => {
    const text = await createMetrics().registry.metrics();
    expect(text).toContain('process_cpu_seconds_total');
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
    const gauges = [...text.matchAll(/^# TYPE (\S+) gauge$/gmu)].map(([, name]) => name);
    expect(gauges.filter((name) => name?.endsWith('_total'))).toEqual([]);
  });
});
