import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { type ContentType, type CopyRole, contentTypes, copyArguments, copyRoles } from '../../shared/api/copy.ts';
import { bool, choice, type Kind, SettingsError } from '../../shared/process/values.ts';

/** What the program is told to do, by its arguments. */
export interface Order {
  readonly role: CopyRole;
  /** Address of the export pod; empty but for the role `import`. */
  readonly peer: string;
  readonly content: ContentType;
  /** Of a volume that the role does not have, whatever was said of it. */
  readonly sourceMode: VolumeMode;
  readonly destinationMode: VolumeMode;
  /** Allocate every block instead of leaving holes. */
  readonly preallocation: boolean;
  /** Read the destination again and compare. */
  readonly verify: boolean;
  /** Bytes per second; 0 for no limit. */
  readonly bandwidth: bigint;
  /** Bytes that a new disk image is given where the source's are fewer. */
  readonly imageSize: bigint;
}

const volumeModes = ['Filesystem', 'Block'] as const;
export type VolumeMode = (typeof volumeModes)[number];

type ArgumentName = (typeof copyArguments)[number];

/** Most bytes that a file can have (`loff_t`). */
const mostBytes = 2n ** 63n - 1n;

const bytes: Kind<bigint> = {
  allowed: 'number of bytes',
  isBool: false,
  parse: (given) => (/^\d{1,19}$/u.test(given) && BigInt(given) <= mostBytes ? BigInt(given) : undefined),
  print: String,
};

const address: Kind<string> = {
  allowed: 'IP address',
  isBool: false,
  // Without a zone: pods are not addressed by their links.
  parse: (given) => (given === '' || (isIP(given) !== 0 && !given.includes('%')) ? given : undefined),
  print: String,
};

interface Row<T> {
  readonly kind: Kind<T>;
  readonly doc: string;
  /** Absent: the argument must be given. */
  readonly fallback: string | undefined;
  /** The one role, if any, that it need not be given for. */
  readonly unusedBy: CopyRole | undefined;
}

function row<T>(kind: Kind<T>, doc: string, fallback?: string, unusedBy?: CopyRole): Row<T> {
  return { kind, doc, fallback, unusedBy };
}

const mode = choice(volumeModes);
const table = {
  role: row(
    choice(copyRoles),
    'copy: has both volumes. export: hands out its source until SIGTERM. import: copies from an export.',
    'copy',
  ),
  peer: row(address, 'Of the export pod, for --role=import and for no other.', ''),
  content: row(choice(contentTypes), 'One disk image (a device or the file disk.img), or a tree of files.'),
  'source-mode': row(
    mode,
    'volumeMode of the source: a folder, /source, or a device, /dev/source.',
    undefined,
    'import',
  ),
  'destination-mode': row(
    mode,
    'volumeMode of the destination: /destination or /dev/destination.',
    undefined,
    'export',
  ),
  preallocation: row(bool, 'Allocate every block instead of leaving holes.', 'false'),
  verify: row(bool, 'Read the destination again and compare it with the source; the result has the digest.', 'false'),
  bandwidth: row(bytes, 'Bytes per second at most; 0 for no limit.', '0'),
  'image-size': row(bytes, "Size of a new disk.img, where it is more than the source's.", '0'),
} as const satisfies Readonly<Record<ArgumentName, Row<unknown>>>;

/**
 * Reads the arguments, `--name=value`; the last of several equal ones counts.
 * @throws SettingsError that names all that is wrong with them.
 */
export function parseOrder(argv: readonly string[]): Order {
  const options = Object.fromEntries(copyArguments.map((name) => [name, { type: 'string' as const }]));
  const faults: string[] = [];
  const { values, tokens } = parseArgs({
    args: [...argv],
    options,
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  for (const token of tokens) {
    if (token.kind === 'positional') faults.push(`unexpected argument ${JSON.stringify(token.value)}`);
    if (token.kind === 'option' && !isKnown(token.name)) faults.push(`unknown argument ${token.rawName}`);
  }
  const read = <T>(name: ArgumentName, { kind, fallback, unusedBy }: Row<T>, unused?: T): T | undefined => {
    const given = values[name];
    const text = typeof given === 'string' ? given : given === undefined ? fallback : '';
    if (text === undefined && unusedBy !== undefined && unusedBy === values['role']) return unused;
    if (text === undefined) {
      faults.push(`--${name} is required: ${kind.allowed}`);
      return undefined;
    }
    const value = kind.parse(text);
    if (value === undefined) faults.push(`--${name} is ${JSON.stringify(text)}; allowed is ${kind.allowed}`);
    return value;
  };
  const order = {
    role: read('role', table.role),
    peer: read('peer', table.peer),
    content: read('content', table.content),
    sourceMode: read('source-mode', table['source-mode'], 'Filesystem'),
    destinationMode: read('destination-mode', table['destination-mode'], 'Filesystem'),
    preallocation: read('preallocation', table.preallocation),
    verify: read('verify', table.verify),
    bandwidth: read('bandwidth', table.bandwidth),
    imageSize: read('image-size', table['image-size']),
  };
  faults.push(...contradictions(order));
  if (faults.length > 0) throw new SettingsError('copy', faults);
  // Whatever could not be read is among the faults.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return order as Order;
}

function isKnown(name: string): name is ArgumentName {
  return copyArguments.some((known) => known === name);
}

/** Arguments that are each fine but not together. */
function contradictions(order: { readonly [K in keyof Order]?: Order[K] | undefined }): readonly string[] {
  const { role, peer, content, sourceMode, destinationMode } = order;
  const faults: string[] = [];
  if (role === 'import' && peer === '') faults.push(`--peer is required for --role=import: ${table.peer.kind.allowed}`);
  if (role !== 'import' && peer) faults.push(`--peer is for --role=import only, and the role is ${role}`);
  const blocks = (role !== 'import' && sourceMode === 'Block') || (role !== 'export' && destinationMode === 'Block');
  if (content === 'archive' && blocks)
    faults.push(
      '--content=archive is a tree of files, and --source-mode and --destination-mode must be Filesystem for it',
    );
  return faults;
}

/** What `--help` prints. */
export function helpText(): string {
  const lines = copyArguments.map((name) => {
    return `  --${name}=<${table[name].kind.allowed}>\n      ${table[name].doc} ${neededOf(table[name])}`;
  });
  return [
    'Clonegate copy: copies one volume into another and ends',
    '',
    ...lines,
    '',
    'Progress goes to standard output, one JSON object per line; the result to /dev/termination-log.',
    'An export needs its own address in POD_IP; it and the import need their key in /keys/keys.psk.',
    'CLONEGATE_COPY_ROOT stands before all these paths, for tests.',
    'Exit code: 0 when all is copied, 1 when it failed, 2 for wrong arguments. SIGTERM ends the copy.',
    '',
  ].join('\n');
}

function neededOf({ fallback, unusedBy }: Row<unknown>): string {
  if (fallback === undefined) return unusedBy === undefined ? 'Required.' : `Required, but for --role=${unusedBy}.`;
  return `Default: ${fallback === '' ? 'none' : fallback}.`;
}
