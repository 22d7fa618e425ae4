import { describe, expect, test } from 'vitest';
import { exportVerdictOn, verdictOn } from '../../../../controller/copy/verdict.ts';
import { copyFailures } from '../../../../shared/api/copy.ts';
import type { ObjectMeta } from '../../../../shared/api/objects.ts';
import type { PodStatus } from '../../../../shared/api/pod.ts';
import { isReasonCode } from '../../../../shared/api/reasons.ts';

const on = (status: PodStatus, metadata: ObjectMeta = {}) => verdictOn({ metadata, status });
type State = NonNullable<NonNullable<PodStatus['containerStatuses']>[number]['state']>;
const container = (state: State) => ({ containerStatuses: [{ name: 'copy', state }] });
const ended = (message: object | string, more: Partial<State['terminated']> = {}): PodStatus =>
  container({ terminated: { message: typeof message === 'string' ? message : JSON.stringify(message), ...more } });
const condition = (type: string, status: string, reason: string, message = '') => ({
  conditions: [{ type, status, reason, message }],
});
const digest = `sha256:${'ab'.repeat(32)}`;

describe('a copy pod that does not run yet', () => {
  test.each([
    ['has no status', {}, 'CopyPodPending', 'Normal'],
    ['starts', { ...container({ waiting: { reason: 'PodInitializing' } }) }, 'CopyPodPending', 'Normal'],
    ['prepares', { ...container({ waiting: { reason: 'ContainerCreating' } }) }, 'CopyPodPending', 'Normal'],
    [
      'fits no node',
      condition(
        'PodScheduled',
        'False',
        'Unschedulable',
        '0/3 nodes are available: 3 node(s) had volume node affinity conflict',
      ),
      'CopyPodUnschedulable',
      'Warning',
    ],
    ['is held back', condition('PodScheduled', 'False', 'SchedulingGated'), 'CopyPodPending', 'Normal'],
    [
      'gets no image',
      container({ waiting: { reason: 'ErrImagePull', message: 'no such host' } }),
      'CopyImagePullFailed',
      'Warning',
    ],
    ['still gets none', container({ waiting: { reason: 'ImagePullBackOff' } }), 'CopyImagePullFailed', 'Warning'],
    ['names none', container({ waiting: { reason: 'InvalidImageName' } }), 'CopyImagePullFailed', 'Warning'],
    ['may pull none', container({ waiting: { reason: 'ErrImageNeverPull' } }), 'CopyImagePullFailed', 'Warning'],
    ['has a bad one', container({ waiting: { reason: 'ImageInspectError' } }), 'CopyImagePullFailed', 'Warning'],
    ['finds no registry', container({ waiting: { reason: 'RegistryUnavailable' } }), 'CopyImagePullFailed', 'Warning'],
    [
      'has one that nobody signed',
      container({ waiting: { reason: 'SignatureValidationFailed' } }),
      'CopyImagePullFailed',
      'Warning',
    ],
    ['cannot be made', container({ waiting: { reason: 'CreateContainerError' } }), 'CopyPodCannotStart', 'Warning'],
  ])('%s', (_name, status, reason, type) => {
    expect(on({ phase: 'Pending', ...status })).toMatchObject({ state: 'pending', reason, type });
  });

  test('tells whether it has a node', () => {
    expect(on({ phase: 'Pending' })).toMatchObject({ message: expect.stringContaining('to be scheduled') });
    expect(on({ phase: 'Pending', ...condition('PodScheduled', 'True', '') })).toMatchObject({
      message: expect.stringContaining('its node prepares'),
    });
  });

  test("tells the scheduler's and the kubelet's own words", () => {
    const unschedulable = condition('PodScheduled', 'False', 'Unschedulable', 'no\n  way');
    expect(on({ phase: 'Pending', ...unschedulable })).toMatchObject({
      message: 'no node can run the copy pod: no way',
    });
    const waiting = { reason: 'ErrImagePull', message: 'x'.repeat(5000) };
    expect(on({ phase: 'Pending', ...container({ waiting }) })).toMatchObject({
      message: `ErrImagePull: ${'x'.repeat(800)}`,
    });
  });
});

test.each([
  ['its container runs', { phase: 'Running', ...container({ running: {} }) }],
  ['its container has ended and the pod has not', { phase: 'Running', ...ended('{}') }],
])('a copy pod is at work when %s', (_name, status) => {
  expect(on(status)).toEqual({ state: 'running' });
});

describe('a copy pod that succeeded', () => {
  test.each([
    ['plainly', { bytes: '42', seconds: 0.5 }, { bytes: 42n, seconds: 0.5 }],
    ['verified', { bytes: '42', seconds: 1, digest }, { bytes: 42n, seconds: 1, digest }],
    ['with a digest that is none', { bytes: '42', seconds: 1, digest: 'md5:0' }, { bytes: 42n, seconds: 1 }],
  ])('%s', (_name, result, copied) => {
    expect(on({ phase: 'Succeeded', ...ended({ outcome: 'succeeded', ...result }) })).toEqual({
      state: 'copied',
      copied,
    });
  });

  test.each([
    ['nothing', ''],
    ['no JSON', 'done!'],
    ['a failure', { outcome: 'failed', bytes: '1', seconds: 1 }],
    ['no bytes', { outcome: 'succeeded', seconds: 1 }],
    ['bytes that are none', { outcome: 'succeeded', bytes: '-1', seconds: 1 }],
    ['a time that is none', { outcome: 'succeeded', bytes: '1', seconds: -1 }],
  ])('but says %s is not believed, and not asked again', (_name, message) => {
    expect(on({ phase: 'Succeeded', ...ended(message) })).toMatchObject({
      state: 'failed',
      reason: 'CopyToolFailed',
      retry: false,
    });
  });
});

test.each([
  ['nothing', { phase: 'Succeeded' }, 'left no result'],
  ['not even a word', { phase: 'Succeeded', ...ended('') }, 'left no result'],
  ['something else', { phase: 'Succeeded', ...ended('done!') }, 'left a result that cannot be read: done!'],
])('a copy pod that succeeded with %s is told so', (_name, status, words) => {
  expect(on(status)).toMatchObject({ message: expect.stringContaining(words) });
});

describe('a copy pod that failed', () => {
  test.each(copyFailures)('by %s says so', (reason) => {
    expect(isReasonCode(reason)).toBe(true);
    for (const retry of [true, false]) {
      const status = ended({ outcome: 'failed', reason, message: 'at 7', retry }, { exitCode: 1 });
      expect(on({ phase: 'Failed', ...status })).toEqual({
        state: 'failed',
        reason,
        message: 'at 7',
        retry,
        disrupted: false,
      });
    }
  });

  const told = ended({ outcome: 'failed', reason: 'CopyIOError', message: 'interrupted', retry: true });
  test.each([
    ['out of memory', ended('', { reason: 'OOMKilled', exitCode: 137 }), 'CopyOutOfMemory', false],
    ['drained', { ...told, ...condition('DisruptionTarget', 'True', 'EvictionByEvictionAPI') }, 'CopyEvicted', true],
    ['preempted', { ...told, ...condition('DisruptionTarget', 'True', 'PreemptionByScheduler') }, 'CopyEvicted', true],
    ['its node tainted', condition('DisruptionTarget', 'True', 'DeletionByTaintManager'), 'CopyNodeLost', true],
    ['its node gone', condition('DisruptionTarget', 'True', 'DeletionByPodGC'), 'CopyNodeLost', true],
    ['its node lost', { reason: 'NodeLost' }, 'CopyNodeLost', true],
    ['its node going down', { reason: 'NodeShutdown' }, 'CopyNodeLost', true],
    [
      'with a condition that is no disruption',
      { ...told, ...condition('Ready', 'True', 'EvictionByEvictionAPI') },
      'CopyIOError',
      false,
    ],
    ['with a success', ended({ outcome: 'succeeded', reason: 'CopyIOError' }), 'CopyToolFailed', false],
    ['its node shut down', { reason: 'Terminated', message: 'shutdown' }, 'CopyNodeLost', true],
    ['its node under pressure', { ...told, reason: 'Evicted', message: 'low on memory' }, 'CopyEvicted', false],
    [
      'a disruption that was called off',
      { ...told, ...condition('DisruptionTarget', 'False', 'EvictionByEvictionAPI') },
      'CopyIOError',
      false,
    ],
    ['of unknown cause', ended('Segmentation fault', { exitCode: 139, reason: 'Error' }), 'CopyToolFailed', false],
    ['without a word', {}, 'CopyToolFailed', false],
    [
      'by a reason that there is not',
      ended({ outcome: 'failed', reason: 'CloneSucceeded', message: '' }),
      'CopyToolFailed',
      false,
    ],
  ])('%s', (_name, status, reason, disrupted) => {
    expect(on({ phase: 'Failed', ...status })).toMatchObject({ state: 'failed', reason, disrupted, retry: true });
  });

  test('without a word of its program, tells what is known', () => {
    expect(on({ phase: 'Failed' })).toMatchObject({
      message: 'the copy pod ended without an exit code (no reason)',
    });
    expect(on({ phase: 'Failed', ...ended('', { exitCode: 1, reason: 'Error' }) })).toMatchObject({
      message: 'the copy pod ended with exit code 1 (Error)',
    });
    const wordless = ended({ outcome: 'failed', reason: 'CopyIOError', message: 5, retry: true });
    expect(on({ phase: 'Failed', ...wordless })).toMatchObject({ reason: 'CopyIOError', message: '' });
  });

  test('by an I/O error, tells whose it is where that is known; an export pod has nothing but the source', () => {
    const failed = (side?: string) =>
      ({
        phase: 'Failed',
        ...ended({ outcome: 'failed', reason: 'CopyIOError', message: 'no', retry: true, side }),
      }) as const;
    expect(on(failed('source'))).toMatchObject({ reason: 'CopyIOError', ofSource: true });
    expect(on(failed())).not.toHaveProperty('ofSource');
    expect(on(failed('destination'))).not.toHaveProperty('ofSource');
    expect(exportVerdictOn({ metadata: {}, status: failed() })).toMatchObject({ ofSource: true });
  });

  test('tells the exit code and what the program said last', () => {
    const status = ended('Segmentation\nfault', { exitCode: 139, reason: 'Error' });
    expect(on({ phase: 'Failed', ...status })).toMatchObject({
      message: 'the copy pod ended with exit code 139 (Error): Segmentation fault',
    });
  });
});

describe('a copy pod that is deleted', () => {
  const going = { deletionTimestamp: '2026-01-02T03:04:05Z' };

  test('counts as ended, though it still runs', () => {
    expect(on({ phase: 'Running', ...container({ running: {} }) }, going)).toMatchObject({
      state: 'failed',
      reason: 'CopyPodDeleted',
      disrupted: true,
    });
    const drained = condition('DisruptionTarget', 'True', 'EvictionByEvictionAPI');
    expect(on({ phase: 'Running', ...drained }, going)).toMatchObject({ reason: 'CopyEvicted', disrupted: true });
  });

  test('keeps the result that it has', () => {
    const status = ended({ outcome: 'succeeded', bytes: '1', seconds: 1 });
    expect(on({ phase: 'Succeeded', ...status }, going)).toMatchObject({ state: 'copied' });
  });
});

describe('an export pod', () => {
  const running = { phase: 'Running', ...container({ running: {} }) } as const;
  const exporting = (status?: PodStatus, metadata: ObjectMeta = {}) =>
    exportVerdictOn({ metadata, ...(status === undefined ? {} : { status }) });

  test('serves when it runs and has an address', () => {
    expect(exporting({ ...running, podIP: 'fd00::7' })).toEqual({ state: 'serving', address: 'fd00::7' });
    for (const podIP of ['', 'soon'])
      expect(exporting({ ...running, podIP })).toMatchObject({
        state: 'pending',
        message: 'the export pod is not running yet: it has no address',
      });
    expect(exporting(running)).toMatchObject({ state: 'pending' });
  });

  test('does not serve before it runs, nor when it has failed', () => {
    const waiting = 'the export pod is not running yet: it is to be scheduled';
    expect(exporting()).toMatchObject({ state: 'pending', message: waiting });
    expect(exporting({ phase: 'Pending', podIP: '10.0.0.7' })).toMatchObject({ state: 'pending', message: waiting });
    expect(exporting({ phase: 'Failed', podIP: '10.0.0.7' })).toMatchObject({ state: 'failed' });
  });

  test('that has ended before the copy was done counts, unless somebody deleted it', () => {
    const ended = { phase: 'Succeeded', podIP: '10.0.0.7' } as const;
    expect(exporting(ended)).toMatchObject({
      reason: 'CopyPodDeleted',
      message: 'the export pod ended before the copy was done',
      disrupted: false,
    });
    expect(exporting(ended, { deletionTimestamp: '2026-01-02T03:04:05Z' })).toMatchObject({
      message: 'the export pod was deleted before the copy was done',
      disrupted: true,
    });
  });
});
