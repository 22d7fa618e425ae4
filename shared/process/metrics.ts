import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/**
 * Every metric, once. Names that other Kubernetes programs use for the same thing are used for it here too, so that existing boards
 * fit; everything else begins with `clonegate_`. No label ever holds the name of a user or of an object.
 */

type MetricType = 'counter' | 'gauge' | 'histogram';

interface Row<T extends MetricType = MetricType, L extends string = string> {
  readonly type: T;
  readonly name: string;
  readonly help: string;
  readonly labels: readonly L[];
  readonly buckets?: readonly number[];
}

function counter<const L extends string = never>(name: string, help: string, labels: readonly L[]): Row<'counter', L> {
  return { type: 'counter', name, help, labels };
}

function gauge<const L extends string = never>(name: string, help: string, labels: readonly L[]): Row<'gauge', L> {
  return { type: 'gauge', name, help, labels };
}

function histogram<const L extends string = never>(
  name: string,
  help: string,
  labels: readonly L[],
  buckets: readonly number[],
): Row<'histogram', L> {
  return { type: 'histogram', name, help, labels, buckets };
}

/** Seconds; 1 ms to the 10 s that an admission call may take. */
const callBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Seconds; 1 s to 6 h. */
const cloneBuckets = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600];
/** Seconds; a queue's waits and passes, from a millisecond to the longest backoff. */
const queueBuckets = [0.001, 0.01, 0.1, 1, 10, 60, 300, 1000];

const table = {
  admissionRequests: counter(
    'clonegate_admission_requests_total',
    'Admission calls answered, by webhook, operation, decision (allow, deny, error, would-deny, would-error), reason code and dry run.',
    ['webhook', 'operation', 'decision', 'reason', 'dry_run'],
  ),
  admissionDuration: histogram(
    'clonegate_admission_request_duration_seconds',
    'Time from the first byte of an admission call to its answer.',
    ['webhook', 'decision'],
    callBuckets,
  ),
  admissionConnectionsCut: counter(
    'clonegate_admission_connections_cut_total',
    'Connections ended to make room for others; should stay 0.',
    [],
  ),
  authorizationReviews: counter(
    'clonegate_authorization_reviews_total',
    'SubjectAccessReviews asked, by result (allowed, denied, error).',
    ['result'],
  ),
  authorizationDuration: histogram(
    'clonegate_authorization_review_duration_seconds',
    'Time that a SubjectAccessReview took.',
    [],
    callBuckets,
  ),
  decisions: counter('clonegate_decisions_total', 'Strategy decisions, by strategy and reason code.', [
    'strategy',
    'reason',
  ]),
  events: counter('clonegate_events_total', 'Occurrences recorded in Events, by type and reason.', ['type', 'reason']),
  eventsDropped: counter('clonegate_events_dropped_total', 'Occurrences that no Event records, by cause.', ['cause']),
  eventsRedirected: counter(
    'clonegate_events_redirected_total',
    'Events written to the fallback namespace because their own did not take them, by cause.',
    ['cause'],
  ),
  certificateExpiration: gauge(
    'clonegate_certificate_expiration_timestamp_seconds',
    'When the certificate in use ends, in seconds since the Unix epoch, by role (ca, leaf).',
    ['role'],
  ),
  certificateRotations: counter(
    'clonegate_certificate_rotations_total',
    'Certificates and keys that this process replaced, or failed to look after, by role (ca, leaf, stamp-key) and result (success, error).',
    ['role', 'result'],
  ),
  watchRestarts: counter('clonegate_watch_restarts_total', 'Watches begun again, by resource and cause.', [
    'resource',
    'cause',
  ]),
  storeObjects: gauge('clonegate_store_objects', 'Objects held in memory, by resource.', ['resource']),
  namespaceOpen: gauge(
    'clonegate_namespace_open',
    'Whether all that is needed of a namespace of `--namespaces` can be read: 1, or 0 when it does not exist or no role lets us in.',
    ['namespace'],
  ),
  clones: counter('clonegate_clones_total', 'Clones that came to an end, by strategy and outcome.', [
    'strategy',
    'outcome',
  ]),
  cloneDuration: histogram(
    'clonegate_clone_duration_seconds',
    'Time from the creation of a DataVolume to the end of its clone, by strategy and outcome.',
    ['strategy', 'outcome'],
    cloneBuckets,
  ),
  unauthorizedRefused: counter(
    'clonegate_unauthorized_clones_refused_total',
    'DataVolumes that the controller refused to execute for want of a valid stamp or right; should stay 0.',
    ['reason'],
  ),
  orphans: gauge(
    'clonegate_orphaned_resources',
    'Temporary objects of clones that do not exist any more, as the last sweep left them.',
    ['kind'],
  ),
  fallbacks: counter(
    'clonegate_clone_fallbacks_total',
    'Clones that went on with another strategy after the storage had failed, by both strategies.',
    ['from', 'to'],
  ),
  copyBytes: counter(
    'clonegate_copy_bytes_total',
    'Bytes that copy pods went over in copies that came to their end.',
    [],
  ),
  copyDuration: histogram(
    'clonegate_copy_duration_seconds',
    'How long copy pods took for copies that came to their end.',
    [],
    cloneBuckets,
  ),
  copiesOverNetwork: counter(
    'clonegate_copies_over_network_total',
    'Tries of copies that took two pods, because no node took both volumes.',
    [],
  ),
  copyFailures: counter('clonegate_copy_failures_total', 'Copies that did not come to their end, by reason.', [
    'reason',
  ]),
  stalled: counter(
    'clonegate_clones_stalled_total',
    'Clones that waited longer than they should, by the reason of the wait.',
    ['reason'],
  ),
  reconciles: counter('controller_runtime_reconcile_total', 'Reconciliations, by controller and result.', [
    'controller',
    'result',
  ]),
  queueDepth: gauge('workqueue_depth', 'Keys that wait to be worked on.', ['name']),
  queueAdds: counter('workqueue_adds_total', 'Keys added to the queue.', ['name']),
  queueRetries: counter('workqueue_retries_total', 'Keys added again after a failure.', ['name']),
  queueWait: histogram(
    'workqueue_queue_duration_seconds',
    'How long a key waited before it was worked on.',
    ['name'],
    queueBuckets,
  ),
  queueWork: histogram('workqueue_work_duration_seconds', 'How long one pass over a key took.', ['name'], queueBuckets),
  apiRequests: counter('rest_client_requests_total', 'Requests to the API server, by HTTP status and method.', [
    'code',
    'method',
  ]),
  leader: gauge('leader_election_master_status', '1 while this process leads, else 0.', ['name']),
  buildInfo: gauge('clonegate_build_info', 'Always 1; the label tells the version that runs.', ['version']),
} as const;

type Table = typeof table;
export const metricsTable: Readonly<Record<keyof Table, Row>> = table;

/** All labels must be given, and no other; a metric without labels takes none. */
type With<L extends string, Rest extends readonly unknown[]> = [L] extends [never]
  ? Rest
  : [labels: Readonly<Record<L, string>>, ...Rest];

interface CounterOf<L extends string> {
  inc(...args: With<L, [value?: number]>): void;
}
interface GaugeOf<L extends string> {
  set(...args: With<L, [value: number]>): void;
  inc(...args: With<L, [value?: number]>): void;
  dec(...args: With<L, [value?: number]>): void;
}
interface HistogramOf<L extends string> {
  /** Seconds. */
  observe(...args: With<L, [value: number]>): void;
}

type MetricOf<R> =
  R extends Row<'counter', infer L>
    ? CounterOf<L>
    : R extends Row<'gauge', infer L>
      ? GaugeOf<L>
      : R extends Row<'histogram', infer L>
        ? HistogramOf<L>
        : never;

export type Metrics = { readonly registry: Registry } & { readonly [K in keyof Table]: MetricOf<Table[K]> };

/**
 * All metrics in a registry of their own. `process` adds the figures of the process itself (CPU, memory, event loop); it starts
 * observers that live as long as the process, so tests that make many registries turn it off.
 */
export function createMetrics({ process = true }: { readonly process?: boolean } = {}): Metrics {
  const registry = new Registry();
  const made = Object.entries<Row>(table).map(([key, row]) => [key, make(row, registry)] as const);
  if (process) addProcessMetrics(registry);
  // The table's type says what each entry is, which Object.entries forgets.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { registry, ...Object.fromEntries(made) } as Metrics;
}

const makers = { counter: Counter, gauge: Gauge, histogram: Histogram };

function make({ type, name, help, labels, buckets }: Row, registry: Registry): Counter | Gauge | Histogram {
  const Maker = makers[type];
  return new Maker({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    ...(buckets === undefined ? {} : { buckets: [...buckets] }),
  });
}

/** prom-client's own set, without its gauges that are called `…_total`: a name that Prometheus keeps for counters. */
function addProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (name.endsWith('_total') && registry.getSingleMetric(name) instanceof Gauge) registry.removeSingleMetric(name);
  }
}
