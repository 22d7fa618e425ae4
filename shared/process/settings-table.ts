import { strategies } from '../api/names.ts';
import { type LogLevel, logLevels } from './log.ts';
import { copyRows } from './settings-copy.ts';
import { row } from './settings-row.ts';
import { bool, choice, duration, integer, list, namespaceName, namespaceNames, path, text } from './values.ts';

/**
 * Every setting of all programs, once. `leaseDuration` is the flag `--lease-duration` and the variable `CLONEGATE_LEASE_DURATION`;
 * settings.ts reads them.
 */

const modes = ['enforce', 'shadow'] as const;
const quotaModes = ['warn', 'deny', 'off'] as const;
const all = ['webhook', 'controller', 'hooks'] as const;
const both = ['webhook', 'controller'] as const;
const webhook = ['webhook'] as const;
const controller = ['controller'] as const;
const hooks = ['hooks'] as const;
/** Who may lead. */
const leaders = ['controller', 'hooks'] as const;
const port = integer(0, 65_535);
/** Milliseconds; a hundred years. */
const years = 3_155_760_000_000;
const withKeys = { fallback: '', requiredWith: { setting: 'stampKeys', value: 'files' } } as const;
const withFiles = { fallback: '', requiredWith: { setting: 'certificates', value: 'files' } } as const;

export type { Program, Row } from './settings-row.ts';

export const table = {
  logLevel: row(all, choice<LogLevel>(logLevels), 'Lines below this level are not printed.', { fallback: 'info' }),
  kubeconfig: row(all, path, 'Kubeconfig file to reach the API server by.', {
    fallback: '',
    fallbackDoc: 'the ServiceAccount in a pod, else the default kubeconfig',
  }),
  namespace: row(all, namespaceName, 'Namespace that Clonegate itself runs in.', {
    fallback: 'clonegate-system',
    alias: 'POD_NAMESPACE',
  }),
  namespaces: row(
    all,
    namespaceNames,
    'Namespaces that are served: DataVolumes and sources elsewhere are refused at admission and never looked at. Takes Roles in these instead of ClusterRoles.',
    { fallback: [], fallbackDoc: 'all' },
  ),
  podName: row(all, text, 'Name of this pod; reported in events and leases.', {
    fallback: (around) => around.hostname,
    fallbackDoc: 'host name',
    alias: 'POD_NAME',
  }),
  opsHost: row(
    both,
    text,
    'Address that /livez, /readyz and /metrics are served at; `::` is every one, of both families where there are both.',
    { fallback: '0.0.0.0' },
  ),
  opsPort: row(both, port, 'Port of the same; 0 takes any free one.', { fallback: 8080 }),
  stampKeys: row(
    both,
    choice(['files', 'managed'] as const),
    'Where stamp keys come from: files that others put there, or Secrets and ConfigMaps that the programs make themselves.',
    { fallback: 'files' },
  ),
  stampPublicKeysFile: row(both, path, 'Public keys that authorization stamps are verified with, JWKS.', withKeys),
  sameStorageClass: row(
    both,
    bool,
    'Let csi-clone and snapshot work within one StorageClass only, not between two of the same driver.',
    { fallback: false },
  ),

  cloneStrategyOverride: row(
    both,
    choice(['none', ...strategies] as const),
    'Strategy that goes before what any StorageProfile or StorageClass prefers.',
    { fallback: 'none' },
  ),
  authorizationSameNamespace: row(
    both,
    choice(['ask', 'skip'] as const),
    "Whether a clone within one namespace takes the right to clone; CDI's rule is skip.",
    { fallback: 'ask' },
  ),
  podCreatorsMayClone: row(
    both,
    bool,
    "Let those clone who may create pods in the source's namespace (for a snapshot: pods and claims), as CDI does.",
    { fallback: false },
  ),

  host: row(
    webhook,
    text,
    'Address that admission calls are served at; `::` is every one, of both families where there are both.',
    { fallback: '0.0.0.0' },
  ),
  port: row(webhook, port, 'Port of the same; 0 takes any free one.', { fallback: 10_250 }),
  certificates: row(
    webhook,
    choice(['files', 'selfSigned'] as const),
    'Where the serving certificate comes from: files that others put there, or an authority of its own, kept in a Secret.',
    { fallback: 'files' },
  ),
  tlsCertFile: row(webhook, path, 'Serving certificate, PEM, with its chain.', withFiles),
  tlsKeyFile: row(webhook, path, 'Key of the serving certificate, PEM.', withFiles),
  caSecret: row(webhook, text, 'Secret of the own authority; made when it does not exist.', {
    fallback: 'clonegate-webhook-ca',
  }),
  caDuration: row(webhook, duration(1000, years), 'How long an authority is valid; replaced when a third is left.', {
    fallback: 31_536_000_000,
  }),
  caOverlap: row(
    webhook,
    duration(0),
    'How long API servers are given to hear of a new authority before certificates of it are served.',
    { fallback: 120_000 },
  ),
  certificateDuration: row(
    webhook,
    duration(1000, years),
    'How long a serving certificate of the own authority is valid; replaced when a third is left.',
    { fallback: 604_800_000 },
  ),
  certificateNames: row(
    webhook,
    list,
    'DNS names and IP addresses that a certificate of the own authority is for, besides the name of the Service.',
    { fallback: [] },
  ),
  serviceName: row(webhook, text, 'Service that API servers call the webhook by.', { fallback: 'clonegate-webhook' }),
  webhookConfiguration: row(
    webhook,
    text,
    'MutatingWebhookConfiguration and ValidatingWebhookConfiguration that are told whom to trust.',
    { fallback: 'clonegate' },
  ),
  stampKeyFile: row(webhook, path, 'Private key that signs authorization stamps, JWK.', withKeys),
  stampKeyDuration: row(webhook, duration(1000, years), 'How long a managed stamp key signs.', {
    fallback: 7_776_000_000,
  }),
  stampKeyRetention: row(
    webhook,
    duration(1000, years),
    'How long stamps of a managed key are accepted after it has signed its last; a clone that waited longer is not carried out.',
    { fallback: 15_552_000_000 },
  ),
  stampKeyOverlap: row(
    webhook,
    duration(0),
    'How long the public part of a new stamp key must have been published before the key signs.',
    { fallback: 120_000 },
  ),
  identityPublicKeyFile: row(webhook, path, 'Public key that identities in stamps are encrypted for, JWK.', withKeys),
  controllerUser: row(webhook, text, "User name of the controller's ServiceAccount.", {
    fallback: (around) => `system:serviceaccount:${around.namespace}:clonegate-controller`,
    fallbackDoc: 'system:serviceaccount:<namespace>:clonegate-controller',
  }),
  auditNamespace: row(webhook, namespaceName, 'Namespace that the copies of all audit events are written to.', {
    fallback: (around) => around.namespace,
    fallbackDoc: '<namespace>',
  }),
  mode: row(
    ['webhook', 'hooks'],
    choice(modes),
    'enforce refuses; shadow lets pass, warns and records what it would have refused.',
    {
      fallback: 'enforce',
    },
  ),
  quota: row(
    webhook,
    choice(quotaModes),
    'What to do when a clone does not fit into a ResourceQuota or LimitRange; off watches neither.',
    { fallback: 'warn' },
  ),
  warnSourceInUse: row(webhook, bool, 'Warn of pods that write to the source; false watches no pods.', {
    fallback: true,
  }),
  eventsDenied: row(webhook, bool, 'Record refusals, and questions that could not be answered, as events.', {
    fallback: true,
  }),
  eventsAllowed: row(webhook, bool, 'Record authorized clones as events.', { fallback: false }),
  eventsShadow: row(webhook, bool, 'Record what shadow mode let pass as events.', { fallback: true }),
  eventsInTargetNamespace: row(webhook, bool, "Write these events also in the DataVolume's namespace.", {
    fallback: true,
  }),
  eventsInSourceNamespace: row(
    webhook,
    bool,
    'Write these events also in the namespace of the source: who, into what, and the verdict.',
    { fallback: false },
  ),
  drain: row(webhook, duration(0), 'How long calls are still taken after SIGTERM, until they are sent elsewhere.', {
    fallback: 5000,
  }),

  identityKeyFile: row(controller, path, 'Private key that identities in stamps are decrypted with, JWK.', withKeys),
  workers: row(controller, integer(1, 64), 'DataVolumes that are worked on at the same time.', { fallback: 4 }),
  helperImage: row(
    controller,
    text,
    'Image of the pod that mounts a clone when only a node can make its file system grow; it has to stay up and nothing more.',
    { fallback: 'registry.k8s.io/pause:3.10.1' },
  ),
  leaseName: row(leaders, text, 'Name of the Lease that replicas elect their leader by.', {
    fallback: 'clonegate-controller',
  }),
  leaseDuration: row(leaders, duration(1000), 'How long a leader that went silent is still waited for.', {
    fallback: 15_000,
  }),
  renewDeadline: row(leaders, duration(1000), 'A leader that could not renew for so long steps down.', {
    fallback: 10_000,
  }),
  retryPeriod: row(leaders, duration(100), 'Time between two tries to get or renew the Lease.', { fallback: 2000 }),
  executor: row(
    controller,
    choice(['clonegate', 'cdi'] as const),
    'Who carries clones out: this controller, or CDI; for CDI it only chooses the strategy where admission put that off.',
    { fallback: 'clonegate' },
  ),
  stallAfter: row(
    controller,
    duration(0),
    'A clone that waited so long for the same thing is reported as stalled; 0s: never.',
    { fallback: 600_000 },
  ),
  stallAfterConsumer: row(
    controller,
    duration(0),
    'The same while it waits for the first pod that uses its volume; 0s: never.',
    { fallback: 86_400_000 },
  ),
  fallbackAfter: row(
    controller,
    duration(0),
    'A strategy that the storage has not carried out after so long gives way to the next one, where there is one; 0s: never.',
    { fallback: 3_600_000 },
  ),
  clonesPerSource: row(
    controller,
    integer(0, 100_000),
    'Clones of one source that are under way at the same time; 0: any number.',
    { fallback: 10 },
  ),
  clonesPerStorageClass: row(
    controller,
    integer(0, 100_000),
    'Clones into one StorageClass that are under way at the same time; 0: any number.',
    { fallback: 50 },
  ),
  ...copyRows,
  sweep: row(
    controller,
    choice(['remove', 'report', 'off'] as const),
    'What to do, hourly, with temporary objects whose DataVolume does not exist any more.',
    { fallback: 'remove' },
  ),

  uninstallWait: row(hooks, duration(0), 'How long clones under way are waited for before they are cut off.', {
    fallback: 60_000,
  }),
  verifyNamespace: row(hooks, namespaceName, 'Namespace in which a clone is tried by dry run.', {
    fallback: (around) => around.namespace,
    fallbackDoc: '<namespace>',
  }),
} as const;
