import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import type { Emission } from '../../../shared/kube/events.ts';
import { claims } from '../../../shared/kube/resource.ts';
import { createServed } from '../../../shared/kube/served.ts';
import { createLogger } from '../../../shared/process/log.ts';
import { createMetrics } from '../../../shared/process/metrics.ts';
import { createAudit } from '../../../webhook/audit.ts';
import { parseReview } from '../../../webhook/review.ts';
import { shadowed } from '../../../webhook/shadow.ts';
import { audited, verdictOf } from '../../../webhook/verdict.ts';
import { claim } from '../../support/build/storage.ts';
import {
  admit,
  annotate,
  call,
  cloneOf,
  completed,
  createReview,
  newWorld,
  updateReview,
  type World,
  worldWithSource,
} from './world.ts';

/** Shadow mode: the same rulings, of which none keeps anything out. */

function inShadow(world: World): World {
  return { ...world, validate: shadowed(world.validate) };
}

async function deniedWorld(): Promise<World> {
  const world = inShadow(await worldWithSource());
  const no = await worldWithSource();
  no.answer = 'no';
  return { ...world, mutate: no.mutate, validate: shadowed(no.validate) };
}

/** What the audit makes of one validating call. */
async function told(world: World, body: unknown) {
  const events: Emission[] = [];
  const lines: string[] = [];
  const metrics = createMetrics({ process: false });
  const policy = { auditNamespace: 'clonegate-system', denied: true, allowed: true, shadow: true };
  const audit = createAudit({
    log: createLogger({ level: 'info', name: 'webhook', destination: { write: (line) => void lines.push(line) } }),
    metrics,
    recorder: { emit: (event) => void events.push(event) },
    events: { ...policy, inTargetNamespace: true, inSourceNamespace: false, served: createServed([]) },
  });
  const ruling = await call(world.validate, body);
  const verdict = verdictOf('validate', parseReview(body), ruling);
  audit.tell(verdict, 0);
  const counted = (await metrics.registry.getSingleMetric('clonegate_admission_requests_total')?.get())?.values ?? [];
  return { events, lines, counted, response: audited(verdict, ruling.response) };
}

describe('in shadow mode', () => {
  it('a clone by somebody who may not is stored without a stamp, and the user is told both', async () => {
    const world = await deniedWorld();
    const { mutated, ruling } = await admit(world, cloneOf());
    expect(mutated.metadata.annotations ?? {}).not.toHaveProperty(annotations.stamp);
    expect(ruling.response).toMatchObject({ allowed: true });
    expect(ruling.response.status).toBeUndefined();
    const [refusal, outlook] = ruling.response.warnings ?? [];
    expect(refusal).toMatch(/^would be refused \(CloneWouldBeDenied\): CloneDenied: user "jane" may not clone .*…$/);
    expect(outlook).toBe('stored all the same (shadow mode), but Clonegate never clones what was not authorized');
  });

  it('the warnings are the same whether the source exists or not', async () => {
    const there = await deniedWorld();
    const gone = newWorld();
    gone.answer = 'no';
    const other = await admit(inShadow(gone), cloneOf());
    expect((await admit(there, cloneOf())).ruling.response).toEqual(other.ruling.response);
  });

  it('a refusal is recorded as what would have been refused, by all sinks alike, and alarms nobody', async () => {
    const world = await deniedWorld();
    const body = createReview(completed(world, cloneOf()), { uid: 'v-1' });
    const { events, lines, counted, response } = await told(world, body);
    expect(events.map(({ namespace }) => namespace)).toEqual(['clonegate-system', 'tenant-a']);
    expect(events[0]).toMatchObject({
      reason: 'CloneWouldBeDenied',
      type: 'Normal',
      note: expect.stringMatching(
        /^would be refused in enforce mode \(CloneDenied\): user "jane" may not .*decision v-1\)$/,
      ),
      annotations: { 'clonegate.io/verdict': 'would-deny', 'clonegate.io/code': 'CloneDenied' },
    });
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'info',
      decision: 'would-deny',
      reason: 'CloneDenied',
      decisionID: 'v-1',
    });
    expect(counted).toMatchObject([{ labels: { decision: 'would-deny', reason: 'CloneDenied' }, value: 1 }]);
    expect(response.auditAnnotations).toMatchObject({
      decision: 'would-deny',
      reason: 'CloneDenied',
      'decision-id': 'v-1',
    });
  });

  it('of a dry run there is no event either', async () => {
    const world = await deniedWorld();
    const { events } = await told(world, createReview(completed(world, cloneOf()), { dryRun: true }));
    expect(events).toEqual([]);
  });

  it('what could not be evaluated is let pass, and told apart from what would have been refused', async () => {
    const world = await worldWithSource();
    world.answer = new Error('etcd is away');
    const { events, counted, response } = await told(inShadow(world), createReview(completed(world, cloneOf())));
    expect(response.allowed).toBe(true);
    expect(counted).toMatchObject([{ labels: { decision: 'would-error', reason: 'CloneAuthorizationFailed' } }]);
    expect(events[0]?.annotations).toMatchObject({ 'clonegate.io/code': 'CloneAuthorizationFailed' });
  });

  it('a wrong object, a target that is too small and a changed spec pass, each with its reason', async () => {
    const world = inShadow(newWorld());
    const size = { resources: { requests: { storage: '20Gi' } } };
    await world.put(claims, claim({ spec: size, status: { capacity: { storage: '20Gi' } } }));
    const wrong = (await admit(world, cloneOf({ contentType: 'tape' }))).ruling.response;
    expect(wrong.allowed).toBe(true);
    expect(wrong.warnings?.[0]).toContain('CloneRejected');
    const small = (await admit(world, cloneOf())).ruling.response;
    expect(small.warnings?.[0]).toContain('TargetTooSmall');
    expect(small.warnings?.[1]).toBe('let through all the same: Clonegate runs in shadow mode');
    const stored = completed(world, cloneOf());
    const changed = { ...stored, spec: { ...stored.spec, contentType: 'archive' } };
    const update = await call(world.validate, updateReview(stored, changed));
    expect(update.response.allowed).toBe(true);
    expect(update.response.warnings?.[0]).toContain('SpecImmutable');
  });

  it('nothing is said of clones that are in order', async () => {
    const world = inShadow(await worldWithSource());
    const { ruling } = await admit(world, annotate(cloneOf(), { mine: 'x' }));
    expect(ruling.response).toEqual({ uid: 'validating', allowed: true });
  });

  it('every warning is one line of at most 120 characters', async () => {
    const world = await deniedWorld();
    const { ruling } = await admit(world, cloneOf());
    for (const warning of ruling.response.warnings ?? []) {
      expect(warning.length).toBeLessThanOrEqual(120);
      expect(warning).not.toContain('\n');
    }
  });
});
