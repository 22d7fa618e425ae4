import { claimOf, type DataVolume, namedSource, takesExistingVolume } from '../shared/api/datavolume.ts';
import { annotations, isStrategy, strategies } from '../shared/api/names.ts';
import type { ClaimSpec } from '../shared/api/objects.ts';
import { parseQuantity, QuantityError } from '../shared/api/quantity.ts';
import { isName, isNamespace } from './dns.ts';
import type { Fault } from './shape.ts';
import { quote } from './words.ts';

/**
 * What a DataVolume that clones may say. These checks look at the object alone: they are the same for everybody, and none of them tells
 * anything about a source. The rules are those of CDI (cdi-behaviour 1.4), all faults at once and each with its field.
 */

/** Bytes; CDI's smallest. Below it there is no room for a filesystem. */
const smallest = 1n << 20n;
/** A Kubernetes quantity is kept in 64 bits; larger ones are silently cut down to this. */
const largest = (1n << 63n) - 1n;

const accessModes = ['ReadWriteOnce', 'ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOncePod'];
const volumeModes = ['Filesystem', 'Block'];
const contentTypes = ['kubevirt', 'archive'];

type Check = (volume: DataVolume) => readonly (Fault | undefined)[];

const checks: readonly Check[] = [
  checkSource,
  checkNames,
  checkTarget,
  checkClaim,
  checkSize,
  checkModes,
  checkContent,
  checkStrategy,
  checkCopy,
];

/** Everything that is wrong with a clone; nothing when it may be admitted. */
export function faultsOf(volume: DataVolume): readonly Fault[] {
  return checks.flatMap((check) => check(volume)).filter((fault) => fault !== undefined);
}

function unless(holds: boolean, field: string, message: string): Fault | undefined {
  return holds ? undefined : { field, message };
}

function checkSource({ spec: { source, sourceRef } }: DataVolume): readonly (Fault | undefined)[] {
  const members = Object.keys(source ?? {});
  if (source !== undefined && sourceRef !== undefined)
    return [{ field: 'spec.sourceRef', message: 'give either source or sourceRef, not both' }];
  if (sourceRef !== undefined)
    return [
      unless(
        sourceRef.kind === 'DataSource',
        'spec.sourceRef.kind',
        `must be DataSource, not ${quote(sourceRef.kind)}`,
      ),
    ];
  return [
    unless(
      members.length === 1,
      'spec.source',
      `must have exactly one member, but has ${members.map(quote).join(', ')}`,
    ),
  ];
}

/** Names are checked before anything is asked about them: they become parts of paths and of questions to the authorizer. */
function checkNames({ spec: { source, sourceRef } }: DataVolume): readonly (Fault | undefined)[] {
  const named = {
    'spec.source.pvc': source?.pvc,
    'spec.source.snapshot': source?.snapshot,
    'spec.sourceRef': sourceRef,
  };
  return Object.entries(named).flatMap(([field, ref]) =>
    ref === undefined
      ? []
      : [
          unless(isName(ref.name), `${field}.name`, `must be the name of an object, not ${quote(ref.name)}`),
          unless(
            ref.namespace === undefined || ref.namespace === '' || isNamespace(ref.namespace),
            `${field}.namespace`,
            `must be the name of a namespace, not ${quote(ref.namespace ?? '')}`,
          ),
        ],
  );
}

/** The target claim gets the DataVolume's name; a name that is to be generated is not known everywhere yet. */
function checkTarget(volume: DataVolume): readonly (Fault | undefined)[] {
  const { namespace = '', name = '' } = volume.metadata;
  const source = namedSource(volume);
  const itself =
    name !== '' &&
    source?.kind === 'PersistentVolumeClaim' &&
    source.namespace === namespace &&
    source.name === name &&
    !takesExistingVolume(volume);
  return [
    unless(
      name === '' || isName(name),
      'metadata.name',
      `must be a name of at most 253 characters, not ${quote(name)}`,
    ),
    unless(
      !itself,
      'spec.source.pvc',
      `must be another claim than ${namespace}/${name}, which is the one that this DataVolume makes`,
    ),
  ];
}

function checkClaim(volume: DataVolume): readonly (Fault | undefined)[] {
  const { pvc, storage } = volume.spec;
  if (pvc === undefined && storage === undefined)
    return [{ field: 'spec', message: 'must have storage (or pvc), which describes the volume to be made' }];
  if (pvc !== undefined && storage !== undefined)
    return [{ field: 'spec.storage', message: 'give either storage or pvc, not both' }];
  const [claim, path] = claimAt(volume);
  const { storageClassName } = claim;
  return [
    unless(
      storageClassName === undefined || storageClassName === '' || isName(storageClassName),
      `${path}.storageClassName`,
      `must be the name of a StorageClass, not ${quote(storageClassName ?? '')}`,
    ),
    // The target is filled by cloning its source; a claim that something else fills as well has two contents.
    ...(['dataSource', 'dataSourceRef'] as const).map((key) =>
      unless(claim[key] === undefined, `${path}.${key}`, 'must not be given together with a source to clone'),
    ),
  ];
}

function checkSize(volume: DataVolume): readonly (Fault | undefined)[] {
  const [claim, path] = claimAt(volume);
  const field = `${path}.resources.requests.storage`;
  const text = claim.resources?.requests?.['storage'];
  // Only spec.storage takes the size of the source when it names none.
  if (text === undefined)
    return [unless(volume.spec.pvc === undefined, field, 'must be given; spec.storage would take it from the source')];
  const size = bytesOf(text);
  if (size === undefined) return [{ field, message: `must be a size such as 10Gi, not ${quote(text)}` }];
  return [
    unless(size >= smallest, field, `must be at least 1Mi, not ${quote(text)}`),
    unless(size <= largest, field, `must be at most ${largest} bytes, not ${quote(text)}`),
  ];
}

function bytesOf(text: string): bigint | undefined {
  try {
    return parseQuantity(text);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

function checkModes(volume: DataVolume): readonly (Fault | undefined)[] {
  const [claim, path] = claimAt(volume);
  const { accessModes: given = [], volumeMode } = claim;
  const unknown = given.find((mode) => !accessModes.includes(mode));
  return [
    unless(
      unknown === undefined,
      `${path}.accessModes`,
      `must be of ${accessModes.join(', ')}, not ${quote(unknown ?? '')}`,
    ),
    // spec.storage takes what is left out from the StorageProfile; spec.pvc is taken as it stands.
    unless(
      volume.spec.pvc === undefined || given.length === 1,
      `${path}.accessModes`,
      `must name exactly one access mode, but names ${given.length}`,
    ),
    unless(
      volumeMode === undefined || volumeModes.includes(volumeMode),
      `${path}.volumeMode`,
      `must be ${volumeModes.join(' or ')}, not ${quote(volumeMode ?? '')}`,
    ),
    unless(
      volume.spec.contentType !== 'archive' || volumeMode !== 'Block',
      `${path}.volumeMode`,
      'must be Filesystem: contentType archive is a tree of files',
    ),
  ];
}

function checkContent({ spec: { contentType } }: DataVolume): readonly (Fault | undefined)[] {
  const known = contentType === undefined || contentType === '' || contentTypes.includes(contentType);
  return [unless(known, 'spec.contentType', `must be ${contentTypes.join(' or ')}, not ${quote(contentType ?? '')}`)];
}

/** A word that asks for no known strategy must not read as asking for none. */
function checkStrategy({ metadata }: DataVolume): readonly (Fault | undefined)[] {
  const wanted = metadata.annotations?.[annotations.strategy];
  const field = `metadata.annotations[${annotations.strategy}]`;
  return [
    unless(
      wanted === undefined || isStrategy(wanted),
      field,
      `must be ${strategies.join(', ')}, not ${quote(wanted ?? '')}`,
    ),
  ];
}

/** What asks for a check must not read as asking for none, nor a limit as no limit. */
function checkCopy({ metadata }: DataVolume): readonly (Fault | undefined)[] {
  const { [annotations.verify]: verify = 'true', [annotations.bandwidth]: bandwidth = '1' } =
    metadata.annotations ?? {};
  return [
    unless(
      verify === 'true' || verify === 'false',
      `metadata.annotations[${annotations.verify}]`,
      `must be true or false, not ${quote(verify)}`,
    ),
    unless(
      (bytesOf(bandwidth) ?? 0n) > 0n,
      `metadata.annotations[${annotations.bandwidth}]`,
      `must be a number of bytes per second such as 100M, not ${quote(bandwidth)}`,
    ),
  ];
}

function claimAt(volume: DataVolume): readonly [ClaimSpec, string] {
  return [claimOf(volume) ?? {}, volume.spec.pvc === undefined ? 'spec.storage' : 'spec.pvc'];
}
