import { readFile } from 'node:fs/promises';
import type { DataVolume } from '../../../../shared/api/datavolume.ts';
import type { KubeObject, PersistentVolume, PersistentVolumeClaim } from '../../../../shared/api/objects.ts';
import { until } from '../../../support/cluster/index.ts';
import { digestOf, fileSystemSize, payloadIn } from '../disk.ts';
import { type Content, snapshots } from './sources.ts';
import { type Clone, type Stage, sizeOf } from './stage.ts';

/** What must hold in the end, whatever has happened. What does not is told in one line each. */

export interface End {
  /** What is wrong with the clones. */
  readonly problems: readonly string[];
  readonly leftovers: readonly string[];
}

export const well: End = { problems: [], leftovers: [] };

export async function endOf(stage: Stage, clones: readonly Clone[]): Promise<End> {
  return { problems: await problemsOf(stage, clones), leftovers: await leftoversOf(stage) };
}

/** Waits until the clones are complete. @returns what is wrong with them. */
export async function problemsOf(
  stage: Stage,
  clones: readonly Clone[],
  timeout = 600_000,
): Promise<readonly string[]> {
  let volumes: ReadonlyMap<string, DataVolume> = new Map();
  await until(
    'all clones to be complete',
    async () => {
      volumes = await stage.volumes(clones);
      return clones.every(({ name }) => isComplete(volumes.get(name)));
    },
    { timeout, interval: 1000 },
  ).catch(() => undefined);
  const complete = clones.filter(({ name }) => isComplete(volumes.get(name)));
  const claims = await stage.list<PersistentVolumeClaim>(stage.home.path('persistentvolumeclaims'));
  const byName = new Map(claims.map((claim) => [claim.metadata.name, claim]));
  const wrong = await inTurns(complete, async (clone) => {
    const problem = await contentProblem(stage, clone, byName.get(clone.name));
    return problem === undefined ? [] : [`${nameOf(clone)}: ${problem}`];
  });
  const late = clones
    .filter((clone) => !complete.includes(clone))
    .map((clone) => `${nameOf(clone)}: is not complete: ${told(volumes.get(clone.name))}`);
  return [...late, ...wrong];
}

export function isComplete(volume: DataVolume | undefined): boolean {
  return volume?.status?.phase === 'Succeeded' && volume.metadata.finalizers === undefined;
}

/** The status in short. */
export function told(volume: DataVolume | undefined): string {
  if (volume === undefined) return 'it does not exist';
  const { phase, conditions = [] } = volume.status ?? {};
  const running = conditions.find(({ type }) => type === 'Running');
  const { deletionTimestamp, finalizers } = volume.metadata;
  return [phase ?? 'no phase', running?.reason, running?.message, deletionTimestamp, finalizers]
    .filter((part) => part !== undefined)
    .join(', ');
}

const nameOf = ({ name, shape }: Clone): string => `${name} (${shape.name})`;

async function contentProblem(
  stage: Stage,
  { shape }: Clone,
  claim: PersistentVolumeClaim | undefined,
): Promise<string | undefined> {
  if (claim === undefined) return 'there is no claim';
  const size = sizeOf(shape);
  const capacity = claim.status?.capacity?.['storage'];
  if (capacity !== `${size / 1024 ** 2}Mi`) return `the capacity is ${capacity}`;
  const file = await stage.cluster.volumePath(claim.spec?.volumeName ?? '');
  const { bytes: expected, payload } = stage.contentOf(shape);
  const bytes = await readFile(file);
  if (bytes.length !== size) return `the volume has ${bytes.length} bytes`;
  if (payload === undefined) return bytes.equals(expected) ? undefined : 'the bytes are not those of the source';
  if ((await fileSystemSize(file)) !== size) return 'the file system has not grown';
  return digestOf(await payloadIn(file)) === digestOf(payload) ? undefined : 'the file in it is not that of the source';
}

/** A few at a time: each may run programs. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<readonly R[]>): Promise<readonly R[]> {
  const [left, found]: [T[], R[]] = [[...items], []];
  const turn = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) found.push(...(await work(item)));
  };
  await Promise.all(Array.from({ length: 4 }, turn));
  return found;
}

/** Waits until nothing is left but the sources and complete clones. @returns what is left, or is not as it was. */
export async function leftoversOf(stage: Stage, timeout = 300_000): Promise<readonly string[]> {
  let left: readonly string[] = [];
  await until(
    'what clones make on their way to be gone',
    async () => {
      left = [...(await strayObjects(stage)), ...(await unsettledVolumes(stage))];
      return left.length === 0;
    },
    { timeout, interval: 1000 },
  ).catch(() => undefined);
  return [...left, ...(await changedSources(stage))];
}

const marked = (object: KubeObject): boolean => JSON.stringify(object.metadata).includes('clonegate.io/');
const isSource = ({ removed }: Stage, { metadata: { name = '' } }: Pick<KubeObject, 'metadata'>): boolean =>
  /^(?:block|files|of-clone-\d+)$/.test(name) && !removed.has(name);

interface SnapshotContent extends KubeObject {
  readonly spec: { readonly volumeSnapshotRef: { readonly name: string; readonly namespace: string } };
}

async function strayObjects(stage: Stage): Promise<readonly string[]> {
  const { home, abroad } = stage;
  const all = await stage.sources();
  const targets = new Set([...stage.clones.keys()].map((name) => `${home.namespace}/${name}`));
  const strays = all.filter(({ kind, metadata: { namespace, name } }) => {
    return !(kind === 'PersistentVolumeClaim' && targets.has(`${namespace}/${name}`));
  });
  const pods = (await Promise.all([home, abroad].map(async (place) => stage.list(place.path('pods'))))).flat();
  const contents = await stage.list<SnapshotContent>(`${snapshots}/volumesnapshotcontents`);
  const volumes = await stage.volumes();
  return [
    ...strays.filter((object) => !isSource(stage, object)).map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ...strays
      .filter((object) => isSource(stage, object) && marked(object))
      .map(({ metadata }) => `marks on ${metadata.name}`),
    ...pods.map(({ metadata }) => `Pod ${metadata.name}`),
    ...contents
      .filter(({ spec: { volumeSnapshotRef: of } }) => stage.isHere(of.namespace) && !isSource(stage, { metadata: of }))
      .map(({ metadata }) => `VolumeSnapshotContent ${metadata.name}`),
    ...[...volumes]
      .filter(([name]) => !stage.clones.has(name))
      .map(([name, volume]) => `DataVolume ${name}: ${told(volume)}`),
  ];
}

/** Every volume is bound to a claim that exists, and is like one that nobody has ever moved. */
async function unsettledVolumes(stage: Stage): Promise<readonly string[]> {
  const claims = new Set((await stage.sources()).map(({ metadata }) => metadata.uid));
  const volumes = await stage.list<PersistentVolume>('/api/v1/persistentvolumes');
  return volumes.flatMap((volume) => {
    const { claimRef, persistentVolumeReclaimPolicy: policy } = volume.spec ?? {};
    if (claimRef !== undefined && !stage.isHere(claimRef.namespace)) return [];
    const where = `PersistentVolume ${volume.metadata.name} of ${claimRef?.namespace}/${claimRef?.name}`;
    if (policy !== 'Delete' || marked(volume)) return [`${where}: ${policy}, ${JSON.stringify(volume.metadata)}`];
    if (volume.status?.phase !== 'Bound' || !claims.has(claimRef?.uid)) return [`${where}: ${volume.status?.phase}`];
    return [];
  });
}

async function changedSources(stage: Stage): Promise<readonly string[]> {
  const claims = (await stage.sources()).filter(
    (object) => object.kind === 'PersistentVolumeClaim' && isSource(stage, object),
  );
  const known = new Set([...stage.contents.values()].map(({ bytes }: Content) => digestOf(bytes)));
  return inTurns(claims as readonly PersistentVolumeClaim[], async ({ metadata, spec }) => {
    const bytes = await readFile(await stage.cluster.volumePath(spec?.volumeName ?? ''));
    return known.has(digestOf(bytes)) ? [] : [`the source ${metadata.name} has changed`];
  });
}
