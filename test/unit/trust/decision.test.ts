import { describe, expect, it } from 'vitest';
import { annotations } from '../../../shared/api/names.ts';
import { digestOf, matchStamp, signStamp, verifyStamp } from '../../../shared/trust/stamp.ts';
import { claims, parties, source, volume } from './fixtures.ts';

const decided = { [annotations.cloneType]: 'csi-clone', [annotations.decision]: '{"v":1}' };

describe('a stamp that covers the decision', () => {
  const covering = { ...claims, decisionDigest: digestOf(decided) };

  it('matches the DataVolume with exactly that decision', () => {
    expect(matchStamp(covering, volume({ annotations: decided }), source)).toBeUndefined();
  });

  it.each([
    ['another strategy', { ...decided, [annotations.cloneType]: 'copy' }],
    ['no strategy', { [annotations.decision]: '{"v":1}' }],
    ['another record', { ...decided, [annotations.decision]: '{"v":2}' }],
    ['no record', { [annotations.cloneType]: 'csi-clone' }],
    ['the two texts run together otherwise', { [annotations.cloneType]: 'csi-clone","{"v":1}' }],
    ['no annotations', undefined],
  ])('does not match %s', (_, other) => {
    const altered = volume(other === undefined ? {} : { annotations: other });
    expect(matchStamp(covering, altered, source)?.message).toContain('another decision');
  });

  it('leaves the decision to the controller when it was put off', () => {
    expect(matchStamp(claims, volume({ annotations: decided }), source)).toBeUndefined();
  });

  it('keeps the digest through signing and verifying', async () => {
    const { signer, controller } = await parties();
    expect(await verifyStamp(controller, await signStamp(signer, covering))).toMatchObject({
      decisionDigest: digestOf(decided),
    });
  });
});

describe('a stamp for a source that a DataSource led to', () => {
  const via = { namespace: 'golden', name: 'latest' };
  const stamped = { ...claims, via };
  const aliased = { ...volume(), spec: { sourceRef: { kind: 'DataSource', ...via } } };

  it('matches the DataVolume that names the DataSource', () => {
    expect(matchStamp(stamped, aliased, source)).toBeUndefined();
  });

  it('takes an empty namespace for the own one', () => {
    const own = { ...volume(), spec: { sourceRef: { kind: 'DataSource', namespace: '', name: 'latest' } } };
    const ofOwn = { ...claims, via: { namespace: 'tenant-a', name: 'latest' } };
    expect(matchStamp(ofOwn, own, source)).toBeUndefined();
  });

  it.each([
    ['another DataSource', { sourceRef: { kind: 'DataSource', namespace: 'golden', name: 'other' } }],
    ['a DataSource of another namespace', { sourceRef: { kind: 'DataSource', namespace: 'dev', name: 'latest' } }],
    ['the source itself', { source: { pvc: { namespace: 'golden', name: 'fedora' } } }],
  ])('does not match one that names %s', (_, spec) => {
    expect(matchStamp(stamped, { ...volume(), spec }, source)?.message).toContain('DataSource "golden/latest", not');
  });

  it('is needed where the DataVolume names one', () => {
    expect(matchStamp(claims, aliased, source)?.message).toContain('names no DataSource');
  });

  it('keeps it through signing and verifying', async () => {
    const { signer, controller } = await parties();
    expect(await verifyStamp(controller, await signStamp(signer, stamped))).toMatchObject({ via });
  });
});
