import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { type Program, type Row, table } from './settings-table.ts';
import { type Kind, SettingsError } from './values.ts';

/**
 * Reads the settings of a program (settings-table.ts) from its arguments and variables. A flag wins over its variable. The last of
 * several equal flags counts, as in Kubernetes' own programs, so that arguments can be appended.
 */

export type { Program } from './settings-table.ts';
export { SettingsError } from './values.ts';

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
  /** The flag with which it is required, when it is not always. */
  readonly requiredWith?: string;
  readonly doc: string;
}

function split(name: string): string[] {
  return name.split(/(?=[A-Z])/u).map((word) => word.toLowerCase());
}

const flagOf = (name: string): string => split(name).join('-');
const envOf = (name: string): string => `CLONEGATE_${split(name).join('_').toUpperCase()}`;

function conditionOf({ setting, value }: NonNullable<Row['requiredWith']>): string {
  return `--${flagOf(setting)}=${value}`;
}

function describe(name: string, { programs, kind, doc, fallback, fallbackDoc, requiredWith }: Row): SettingDoc {
  const described = { flag: `--${flagOf(name)}`, env: envOf(name), programs, allowed: kind.allowed, doc };
  if (requiredWith !== undefined) return { ...described, requiredWith: conditionOf(requiredWith) };
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
    const { flag, env, allowed, doc, default: value, requiredWith } = describe(name, row);
    const required = requiredWith === undefined ? 'Required.' : `Required with ${requiredWith}.`;
    return `  ${flag} <${allowed}>\n      ${doc} ${value === undefined ? required : `Default: ${value}.`} (${env})`;
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
  faults.push(...missingWith(program, values));
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

/** What other settings make necessary and was not given. */
function missingWith(program: Program, values: Readonly<Record<string, unknown>>): readonly string[] {
  return rowsOf(program).flatMap(([name, { kind, requiredWith }]) => {
    if (requiredWith === undefined || values[requiredWith.setting] !== requiredWith.value || values[name] !== '')
      return [];
    const condition = conditionOf(requiredWith);
    return [`--${flagOf(name)} (or ${envOf(name)}) is required with ${condition}: ${kind.allowed}`];
  });
}

/** Settings that are each fine but not together. */
function contradictions(values: Readonly<Record<string, unknown>>): string[] {
  const { leaseDuration, renewDeadline, retryPeriod, caDuration, caOverlap, certificateDuration } = values;
  const faults: string[] = [];
  // Else an authority would end before all that it signed was replaced.
  if (Number(caOverlap) + Number(certificateDuration) >= Number(caDuration) / 3) {
    faults.push('--ca-overlap and --certificate-duration together must be shorter than a third of --ca-duration');
  }
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
