import type { Manner } from './mutations.ts';

/** The tables and rules that are mutated, and the tests that have to notice. */

export interface Scope {
  readonly file: string;
  /** By the name of a declaration at the top of the file; `*` stands for all its functions, those to come included. */
  readonly parts: Readonly<Record<string, readonly Manner[]>>;
  /** The likeliest to notice first: most mutants meet no other. */
  readonly tests: readonly string[];
}

const webhook = ['validate', 'mutate', 'existing', 'source', 'veto', 'outside'];

function inDecision(...names: readonly string[]): readonly string[] {
  return inOrder('test/unit/decision', names, []);
}

function inWebhook(...first: readonly string[]): readonly string[] {
  return inOrder('test/unit/webhook', first, webhook);
}

function inTrust(...names: readonly string[]): readonly string[] {
  return inOrder('test/unit/trust', names, []);
}

function inCopies(...names: readonly string[]): readonly string[] {
  return inOrder('test/unit/controller/copy', names, []);
}

function inMover(...names: readonly string[]): readonly string[] {
  return inOrder('test/unit/controller/mover', names, []);
}

function inOrder(folder: string, first: readonly string[], all: readonly string[]): readonly string[] {
  return [...new Set([...first, ...all])].map((name) => `${folder}/${name}.test.ts`);
}

const functions = { '*': ['conditions'] } as const;

export const scopes: readonly Scope[] = [
  {
    file: 'shared/decision/rules.ts',
    parts: {
      refusals: ['ordered rows', 'conditions'],
      deferrals: ['ordered rows', 'conditions'],
      prerequisites: ['ordered rows', 'conditions'],
      forbidden: ['conditions'],
      noCSIDriver: ['conditions'],
      incompatibleProvisioners: ['conditions'],
      differentStorageClass: ['conditions'],
      incompatibleVolumeModes: ['conditions'],
      noVolumeExpansion: ['conditions'],
    },
    tests: inDecision('decide', 'gather'),
  },
  {
    file: 'shared/decision/decide.ts',
    parts: {
      choose: ['conditions'],
      inOrder: ['conditions'],
      standing: ['conditions', 'ordered statements'],
      none: ['conditions'],
    },
    tests: inDecision('decide'),
  },
  {
    file: 'shared/decision/gather.ts',
    parts: {
      preference: ['conditions', 'ordered statements'],
      chooseSnapshotClass: ['conditions'],
      allowedStrategies: ['conditions'],
      vetoOf: ['conditions'],
    },
    tests: [...inDecision('gather'), ...inWebhook('veto')],
  },
  { file: 'shared/decision/sizes.ts', parts: functions, tests: inDecision('sizes', 'decide', 'target') },
  { file: 'shared/decision/target.ts', parts: functions, tests: inDecision('target', 'gather') },
  { file: 'shared/decision/fallback.ts', parts: functions, tests: ['test/unit/decision/fallback.test.ts'] },
  {
    file: 'shared/decision/veto.ts',
    parts: functions,
    tests: [...inWebhook('veto'), ...inDecision('gather')],
  },
  {
    file: 'shared/decision/provisioners.ts',
    parts: { known: ['rows'], suffixes: ['members', 'conditions'], provisionerKey: ['conditions'] },
    tests: ['test/unit/decision/provisioners.test.ts'],
  },
  { file: 'shared/api/names.ts', parts: { sourceSubresource: ['members'] }, tests: ['test/unit/trust/access.test.ts'] },
  { file: 'shared/api/names.ts', parts: { reservedAnnotations: ['rows'] }, tests: inWebhook('validate') },
  {
    file: 'shared/api/datavolume.ts',
    parts: { existingVolume: ['rows'], isClone: ['conditions'], namedSource: ['conditions'], orOwn: ['conditions'] },
    tests: inWebhook('existing'),
  },
  { file: 'shared/trust/policy.ts', parts: { accessRules: ['rows'] }, tests: inTrust('stamp', 'access') },
  {
    file: 'shared/trust/access.ts',
    parts: { rightsOfPodCreators: ['rows'], questionOf: ['members'], ...functions },
    tests: inTrust('access'),
  },
  { file: 'shared/trust/match.ts', parts: functions, tests: inTrust('match', 'decision') },
  { file: 'shared/trust/claims.ts', parts: functions, tests: inTrust('claims', 'stamp') },
  {
    file: 'shared/trust/compact.ts',
    parts: { signCompact: ['members'], sealCompact: ['members'] },
    tests: inTrust('compact'),
  },
  { file: 'shared/trust/stamp.ts', parts: functions, tests: inTrust('stamp', 'forgery', 'keyring') },
  { file: 'shared/trust/looks.ts', parts: functions, tests: inTrust('looks') },
  { file: 'webhook/stamped.ts', parts: functions, tests: inWebhook('validate') },
  { file: 'webhook/access.ts', parts: functions, tests: inWebhook('source') },
  { file: 'webhook/mutate.ts', parts: functions, tests: inWebhook('mutate') },
  { file: 'webhook/validate.ts', parts: functions, tests: inWebhook('validate', 'taken') },
  { file: 'webhook/update.ts', parts: functions, tests: inWebhook('validate', 'existing') },
  { file: 'webhook/immutable.ts', parts: functions, tests: inWebhook('immutable', 'existing') },
  { file: 'webhook/source.ts', parts: functions, tests: inWebhook('source') },
  { file: 'webhook/outside.ts', parts: functions, tests: inWebhook('outside') },
  { file: 'webhook/taken.ts', parts: functions, tests: inWebhook('taken') },
  {
    file: 'webhook/spec.ts',
    parts: { checks: ['rows'], ...functions },
    tests: ['test/unit/webhook/spec.test.ts', 'test/unit/webhook/cdi-rules.test.ts'],
  },
  {
    file: 'webhook/shape.ts',
    parts: { shape: ['rows'], required: ['rows'], ...functions },
    tests: ['test/unit/webhook/spec.test.ts', 'test/unit/webhook/cdi-rules.test.ts'],
  },
  { file: 'webhook/dns.ts', parts: functions, tests: ['test/unit/webhook/spec.test.ts'] },
  { file: 'webhook/stamping.ts', parts: functions, tests: inWebhook('mutate') },
  { file: 'webhook/outcome.ts', parts: functions, tests: inWebhook('validate', 'advice') },
  {
    file: 'webhook/respond.ts',
    parts: { statuses: ['members'], ...functions },
    tests: inWebhook('validate', 'advice', 'routes'),
  },
  { file: 'controller/resting.ts', parts: functions, tests: ['test/unit/controller/resting.test.ts'] },
  { file: 'controller/authorize.ts', parts: functions, tests: ['test/unit/controller/authorize.test.ts'] },
  {
    file: 'controller/copy/verdict.ts',
    parts: { disruptions: ['members'], pulling: ['rows'], ...functions },
    tests: inCopies('verdict'),
  },
  { file: 'controller/copy/record.ts', parts: functions, tests: inCopies('record', 'verdict') },
  { file: 'controller/copy/content.ts', parts: functions, tests: inCopies('content') },
  {
    file: 'controller/copy/policy.ts',
    parts: { backoffAfter: ['bounds'], copyPolicyOf: ['members'] },
    tests: inCopies('policy'),
  },
  {
    file: 'controller/mover/arguments.ts',
    parts: { volumeModes: ['rows'], ...functions },
    tests: inMover('arguments'),
  },
  {
    file: 'controller/mover/failure.ts',
    parts: { retries: ['members'], errors: ['rows'], ...functions },
    tests: inMover('failure'),
  },
  {
    file: 'controller/mover/image/plan.ts',
    parts: {
      inspection: ['rows'],
      reservation: ['lists'],
      local: ['lists'],
      remote: ['lists'],
      serving: ['lists'],
      ...functions,
    },
    tests: inMover('image-plan'),
  },
  { file: 'controller/mover/peer/pump.ts', parts: functions, tests: inMover('pump') },
  {
    file: 'controller/mover/tree/plan.ts',
    parts: {
      everything: ['rows'],
      trust: ['rows'],
      bulkCopy: ['lists'],
      filters: ['lists'],
      sync: ['lists'],
      comparison: ['lists'],
      daemon: ['lists'],
      ends: ['lists'],
      flush: ['lists'],
      ...functions,
    },
    tests: inMover('tree-plan'),
  },
];
