import { isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Features, isRemovable, REMOVABLE, type Removable } from './features.ts';
import type { RegistrationOptions } from './registration.ts';

export interface DriverOptions {
  readonly endpoint: string;
  readonly pool: string;
  readonly proto: string;
  readonly faults: string | undefined;
  readonly features: Features;
  /** Absent: no kubelet is told. */
  readonly registration: RegistrationOptions | undefined;
}

/** Arguments that the driver cannot run with. The message is for the person who typed them. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `A CSI driver for tests: volumes and snapshots are sparse files in a folder.

  node test/support/csi/main.ts --endpoint /path/csi.sock --name reflink.csi.clonegate.test \\
      --pool DIR --node node1 --proto /path/csi.proto [options]

  --endpoint PATH   Unix socket to serve at, absolute, at most ${maxSocketPath()} bytes (unix:///path is understood too)
  --name NAME       the driver's name, as in a StorageClass's provisioner
  --pool DIR        where volumes and snapshots lie; made when missing. Clones are reflinks where its file system has
                    them (XFS, btrfs), and copies that keep holes elsewhere
  --node NAME       the Kubernetes Node that this machine plays
  --proto PATH      csi.proto of the CSI specification
  --without LIST    capabilities not to have, separated by commas: ${REMOVABLE.join(', ')}
  --topology        volumes say on which node they can be reached
  --faults PATH     faults to produce, a JSON file read anew at each call; test/support/csi/faultfile.ts tells its form
  --registration PATH        Unix socket in a kubelet's folder plugins_registry at which the driver makes itself known
  --registration-proto PATH  api.proto of the kubelet's plugin registration; needed along with the former
  --help            this text
`;

// RFC 1035 labels with dots, 63 characters at most, by the specification's rule for the name of a plugin.
const NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$/;

/** @returns the options, or 'help' when that is what was asked for. @throws UsageError */
export function parseOptions(argv: readonly string[]): DriverOptions | 'help' {
  const values = parse(argv);
  if (values.help === true) return 'help';
  const name = given(values.name, '--name');
  if (!NAME.test(name)) {
    throw new UsageError(`--name ${name}: must be a domain name of at most 63 characters, reflink.csi.example for one`);
  }
  return {
    endpoint: endpointPath(given(values.endpoint, '--endpoint')),
    pool: resolve(given(values.pool, '--pool')),
    proto: resolve(given(values.proto, '--proto')),
    faults: values.faults === undefined ? undefined : resolve(values.faults),
    features: {
      name,
      node: given(values.node, '--node'),
      without: parseWithout(values.without ?? ''),
      topology: values.topology === true,
    },
    registration: registrationOf(values.registration, values['registration-proto']),
  };
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        endpoint: text,
        name: text,
        pool: text,
        node: text,
        proto: text,
        without: text,
        faults: text,
        topology: flag,
        registration: text,
        'registration-proto': text,
        help: flag,
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function given(value: string | undefined, flag: string): string {
  if (value === undefined || value === '') throw new UsageError(`${flag} is missing`);
  return value;
}

function registrationOf(socket: string | undefined, proto: string | undefined): RegistrationOptions | undefined {
  if (socket === undefined) return undefined;
  return { socket: endpointPath(socket, '--registration'), proto: resolve(given(proto, '--registration-proto')) };
}

function endpointPath(endpoint: string, flag = '--endpoint'): string {
  const path = endpoint.replace(/^unix:\/\//, '');
  if (!isAbsolute(path)) throw new UsageError(`${flag} ${endpoint}: must be an absolute path`);
  if (Buffer.byteLength(path) > maxSocketPath()) {
    throw new UsageError(
      `${flag} ${endpoint}: must have at most ${maxSocketPath()} bytes, which is all a socket's name can have`,
    );
  }
  return path;
}

/** sun_path of unix(7) has 108 bytes, one of which ends the name. */
function maxSocketPath(): number {
  return 107;
}

function parseWithout(list: string): ReadonlySet<Removable> {
  const names = list.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !isRemovable(name));
  if (unknown !== undefined) {
    throw new UsageError(`--without ${unknown}: can be ${REMOVABLE.join(', ')}`);
  }
  return new Set(names.filter(isRemovable));
}
