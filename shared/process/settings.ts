import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { strategies } from '../api/names.ts';
import { type LogLevel, logLevels } from './log.ts';
import { bool, choice, duration, integer, type Kind, namespaceName, path, SettingsError, text } from './values.ts';

/**
 * Every setting of both programs, once. `leaseDuration` is the flag `--lease-duration` and the variable `CLONEGATE_LEASE_DURATION`;
 * the flag wins. The last of several equal flags counts, as in Kubernetes' own programs, so that arguments can be appended.
 */

export { SettingsError } from './values.ts';

export type Program = 'webhook' | 'controller';

/** What a default may be made from. */
interface Surroundings {
  readonly hostname: string;
  readonly namespace: string;
}

interface Row<P extends Program = Program, T = unknown> {
  readonly programs: readonly P[];
  readonly kind: Kind<T>;
  /** Absent: the setting must be given. */
  readonly fallback?: T | ((surroundings: Surroundings) => T);
  /** What {@link helpText} prints for a default that depends on the surroundings. */
  readonly fallbackDoc?: string;
  readonly doc: string;
  /** A variable that Kubernetes manifests set by custom; asked after our own. */
  readonly alias?: string;
}

function row<const P extends Program, T>(
  programs: readonly P[],
  kind: Kind<T>,
  doc: string,
  rest: Omit<Row<P, NoInfer<T>>, 'programs' | 'kind' | 'doc'> = {},
): Row<P, T> {
  return { programs, kind, doc, ...rest };
}

const modes = ['enforce', 'shadow'] as const;
const quotaModes = ['warn', 'deny', 'off'] as const;
const both = ['webhook', 'controller'] as const;
const webhook = ['webhook'] as const;
const controller = ['controller'] as const;
const port = integer(0, 65_535);

const table = {
  logLevel: row(both, choice<LogLevel>(logLevels), 'Lines below this level are not printed.', { fallback: 'info' }),
  kubeconfig: row(both, path, 'Kubeconfig file to reach the API server by.', {
    fallback: '',
    fallbackDoc: 'the ServiceAccount in a pod, else the default kubeconfig',
  }),
  namespace: row(both, namespaceName, 'Namespace that Clonegate itself runs in.', {
    fallback: 'clonegate-system',
    alias: 'POD_NAMESPACE',
  }),
  podName: row(both, text, 'Name of this pod; reported in events and leases.', {
    fallback: (around) => around.hostname,
    fallbackDoc: 'host name',
    alias: 'POD_NAME',
  }),
  opsHost: row(both, text, 'Address that /livez, /readyz and /metrics are served at.', { fallback: '0.0.0.0' }),
  opsPort: row(both, port, 'Port of the same; 0 takes any free one.', { fallback: 8080 }),
  stampPublicKeysFile: row(both, path, 'Public keys that authorization stamps are verified with, JWKS.'),
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

  host: row(webhook, text, 'Address that admission calls are served at.', { fallback: '0.0.0.0' }),
  port: row(webhook, port, 'Port of the same; 0 takes any free one.', { fallback: 10_250 }),
  tlsCertFile: row(webhook, path, 'Serving certificate, PEM, with its chain.'),
  tlsKeyFile: row(webhook, path, 'Key of the serving certificate, PEM.'),
  stampKeyFile: row(webhook, path, 'Private key that signs authorization stamps, JWK.'),
  stampKeyOverlap: row(
    webhook,
    duration(0),
    'How long the public part of a new stamp key must have been published before the key signs.',
    { fallback: 120_000 },
  ),
  identityPublicKeyFile: row(webhook, path, 'Public key that identities in stamps are encrypted for, JWK.'),
  controllerUser: row(webhook, text, "User name of the controller's ServiceAccount.", {
    fallback: (around) => `system:serviceaccount:${around.namespace}:clonegate-controller`,
    fallbackDoc: 'system:serviceaccount:<namespace>:clonegate-controller',
  }),
  auditNamespace: row(webhook, namespaceName, 'Namespace that the copies of all audit events are written to.', {
    fallback: (around) => around.namespace,
    fallbackDoc: '<namespace>',
  }),
  mode: row(
    webhook,
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

  identityKeyFile: row(controller, path, 'Private key that identities in stamps are decrypted with, JWK.'),
  workers: row(controller, integer(1, 64), 'DataVolumes that are worked on at the same time.', { fallback: 4 }),
  helperImage: row(
    controller,
    text,
    'Image of the pod that mounts a clone when only a node can make its file system grow; it has to stay up and nothing more.',
    { fallback: 'registry.k8s.io/pause:3.10.1' },
  ),
  leaseName: row(controller, text, 'Name of the Lease that replicas elect their leader by.', {
    fallback: 'clonegate-controller',
  }),
  leaseDuration: row(controller, duration(1000), 'How long a leader that went silent is still waited for.', {
    fallback: 15_000,
  }),
  renewDeadline: row(controller, duration(1000), 'A leader that could not renew for so long steps down.', {
    fallback: 10_000,
  }),
  retryPeriod: row(controller, duration(100), 'Time between two tries to get or renew the Lease.', { fallback: 2000 }),
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
  sweep: row(
    controller,
    choice(['remove', 'report', 'off'] as const),
    'What to do, hourly, with temporary objects whose DataVolume does not exist any more.',
    { fallback: 'remove' },
  ),
} as const;

type Table = typeof table;
type Name = keyof Table;
type ProgramsOf<N extends Name> = Table[N]['programs'][number];
type ValueOf<N extends Name> = Table[N]['kind'] extends Kind<infer T> ? T : never;

/** The settings of one program; durations in milliseconds. */
export type Settings<P extends Program> = {
  readonly [N in Name as P extends ProgramsOf<N> ? N : never]: ValueOf<N>;
};

/** One row as it is documented. */
export interface SettingDoc {
  readonly flag: string;
  readonly env: string;
  readonly programs: readonly Program[];
  /** What may be given, in words. */
  readonly allowed: string;
  /** Absent when the setting is required. */
  readonly default?: string;
  readonly doc: string;
}

function split(name: string): string[] {
  return name.split(/(?=[A-Z])/u).map((word) => word.toLowerCase());
}

const flagOf = (name: string): string => split(name).join('-');
const envOf = (name: string): string => `CLONEGATE_${split(name).join('_').toUpperCase()}`;

function describe(name: string, { programs, kind, doc, fallback, fallbackDoc }: Row): SettingDoc {
  const described = { flag: `--${flagOf(name)}`, env: envOf(name), programs, allowed: kind.allowed, doc };
  if (fallback === undefined) return described;
  return { ...described, default: fallbackDoc ?? kind.print(fallback) };
}

const rows: readonly (readonly [string, Row])[] = Object.entries<Row>(table);

export const settingsTable: readonly SettingDoc[] = rows.map(([name, row]) => describe(name, row));

function rowsOf(program: Program): readonly (readonly [string, Row])[] {
  return rows.filter(([, { programs }]) => programs.includes(program));
}

/** What `--help` prints. */
export function helpText(program: Program): string {
  const lines = rowsOf(program).map(([name, row]) => {
    const { flag, env, allowed, doc, default: value } = describe(name, row);
    return `  ${flag} <${allowed}>\n      ${doc} ${value === undefined ? 'Required.' : `Default: ${value}.`} (${env})`;
  });
  return [
    `Clonegate ${program}`,
    '',
    'Settings, as flags or as environment variables; the flag wins:',
    '',
    ...lines,
    '',
  ].join('\n');
}

/** Whether the arguments ask for the help text instead of a run. */
export function asksForHelp(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h');
}

type Environment = Readonly<Record<string, string | undefined>>;

interface Given {
  readonly text: string;
  /** `--flag` or the variable's name, for messages. */
  readonly from: string;
}

/**
 * The settings of a program from its arguments (without node and the script) and environment. An empty variable counts as not set.
 * @throws SettingsError with all faults, not only the first.
 */
export function parseSettings<P extends Program>(
  program: P,
  argv: readonly string[],
  env: Environment,
  machine: { readonly hostname: string } = { hostname: hostname() },
): Settings<P> {
  const faults: string[] = [];
  const flags = readFlags(program, argv, faults);
  const values: Record<string, unknown> = {};
  for (const [name, row] of rowsOf(program)) {
    const given = flags.get(name) ?? fromEnvironment(name, row, env);
    values[name] = given === undefined ? fallbackOf(name, row, values, machine, faults) : parse(row, given, faults);
  }
  if (faults.length === 0) faults.push(...contradictions(values));
  if (faults.length > 0) throw new SettingsError(program, faults);
  // Every row of the program was filled from its own kind just above.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.freeze(values) as Settings<P>;
}

function readFlags(program: Program, argv: readonly string[], faults: string[]): Map<string, Given> {
  const byFlag = new Map(rowsOf(program).map(([name, row]) => [flagOf(name), { name, row }]));
  const options = Object.fromEntries(
    [...byFlag].map(([flag, { row }]) => [
      flag,
      { type: row.kind.isBool ? ('boolean' as const) : ('string' as const) },
    ]),
  );
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, tokens: true, allowPositionals: true });
  const given = new Map<string, Given>();
  for (const token of tokens) {
    if (token.kind === 'positional') faults.push(`unexpected argument ${JSON.stringify(token.value)}`);
    if (token.kind !== 'option') continue;
    const known = byFlag.get(token.name);
    if (known === undefined)
      faults.push(
        `unknown flag ${token.rawName}; known are ${[...byFlag.keys()].map((flag) => `--${flag}`).join(', ')}`,
      );
    else if (token.value === undefined && !known.row.kind.isBool) faults.push(missing(token.rawName, known.row));
    // A flag where a value should stand: the value was forgotten.
    else if (token.inlineValue === false && token.value.startsWith('--'))
      faults.push(missing(token.rawName, known.row));
    else given.set(known.name, { text: token.value ?? 'true', from: token.rawName });
  }
  return given;
}

function missing(flag: string, { kind }: Row): string {
  return `${flag} needs a value: ${kind.allowed}`;
}

/**
 * A Service called `clonegate` makes the kubelet set CLONEGATE_PORT and the like to `tcp://…` in every pod of its namespace; such a
 * value was never meant for us.
 */
const serviceLink = /^(?:tcp|udp|sctp):\/\//u;

function fromEnvironment(name: string, { alias }: Row, env: Environment): Given | undefined {
  for (const from of [envOf(name), ...(alias === undefined ? [] : [alias])]) {
    const value = env[from];
    if (value !== undefined && value !== '' && !serviceLink.test(value)) return { text: value, from };
  }
  return undefined;
}

function parse({ kind }: Row, { text, from }: Given, faults: string[]): unknown {
  const value = kind.parse(text);
  if (value === undefined) faults.push(`${from} is ${JSON.stringify(text)}; allowed is ${kind.allowed}`);
  return value;
}

function fallbackOf(
  name: string,
  { kind, fallback }: Row,
  values: Readonly<Record<string, unknown>>,
  { hostname }: { readonly hostname: string },
  faults: string[],
): unknown {
  if (fallback === undefined) faults.push(`--${flagOf(name)} (or ${envOf(name)}) is required: ${kind.allowed}`);
  if (typeof fallback !== 'function') return fallback;
  return fallback({ hostname, namespace: String(values['namespace']) });
}

/** Settings that are each fine but not together. */
function contradictions({ leaseDuration, renewDeadline, retryPeriod }: Readonly<Record<string, unknown>>): string[] {
  const faults: string[] = [];
  // Else a leader would still act while the next one already may.
  if (Number(renewDeadline) >= Number(leaseDuration)) {
    faults.push(
      '--renew-deadline must be shorter than --lease-duration: a leader has to step down before another may start',
    );
  }
  if (Number(retryPeriod) >= Number(renewDeadline)) {
    faults.push('--retry-period must be shorter than --renew-deadline: a leader needs more than one try to renew');
  }
  return faults;
}
