import type { Call } from './interposer.ts';

/** Tells by a call alone whose clone it is about and what it does. */

interface Body {
  readonly metadata?: {
    readonly name?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string | null>>;
    readonly annotations?: Readonly<Record<string, string | null>>;
    readonly finalizers?: readonly string[];
    readonly ownerReferences?: readonly { readonly uid: string }[];
  };
  readonly spec?: {
    readonly source?: { readonly persistentVolumeClaimName?: string };
    readonly claimRef?: { readonly name?: string };
  };
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly reason?: string }[];
  };
}

const uidIn = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

export class Trail {
  /** Names and uids of whatever belongs to a clone → name of its DataVolume. */
  readonly #owners = new Map<string, string>();

  /** @param tokens names that occur in calls about this clone and no other. */
  begin(clone: string, ...tokens: readonly string[]): void {
    for (const token of [clone, ...tokens]) this.#owners.set(token, clone);
  }

  /** Name of the DataVolume; undefined for what concerns none or all of them. What the call names is remembered as the clone's. */
  cloneOf({ path, body }: Call): string | undefined {
    const tokens = [...path.split('/'), ...(path.match(uidIn) ?? []), ...tokensOf(body as Body | undefined)];
    const clone = tokens.map((token) => this.#owners.get(token)).find((owner) => owner !== undefined);
    if (clone === undefined) return undefined;
    const place = path.split('/').at(-1) ?? '';
    // A volume's name tells nothing by itself, and the uid of the first write is that of the DataVolume.
    const learnt = [
      ...(path.startsWith('/api/v1/persistentvolumes/') ? [place] : []),
      (body as Body | undefined)?.metadata?.uid,
    ];
    for (const token of learnt) if (token !== undefined) this.#owners.set(token, clone);
    return clone;
  }
}

function tokensOf({ metadata = {}, spec = {} }: Body = {}): readonly string[] {
  const names = [metadata.name, metadata.uid, spec.source?.persistentVolumeClaimName, spec.claimRef?.name];
  const owners = (metadata.ownerReferences ?? []).map(({ uid }) => uid);
  const values = [...Object.values(metadata.labels ?? {}), ...names].filter((value) => typeof value === 'string');
  return [...owners, ...values, ...values.flatMap((value) => value.match(uidIn) ?? [])];
}

/** A write in words that are the same for all clones of a shape, such as `PATCH datavolumes/status CSICloneInProgress`. */
export function wordsOf({ method, path, body }: Call): string {
  const { kind, below, name } = placeIn(path);
  const { metadata = {}, spec = {}, status } = (body ?? {}) as Body;
  const where = `${method} ${kind}${below === undefined ? '' : `/${below}`}`;
  if (status !== undefined) {
    const running = status.conditions?.find(({ type }) => type === 'Running');
    return `${where} ${[...new Set([status.phase, running?.reason])].join(' ')}`;
  }
  if (method !== 'PATCH')
    return `${where} ${(name ?? metadata.name)?.startsWith('clonegate-') === true ? 'temporary' : 'target'}`;
  const { finalizers } = metadata;
  const about = [
    ...(finalizers === undefined ? [] : [finalizers.length > 0 ? 'held' : 'let go']),
    ...Object.entries({ ...metadata.labels, ...metadata.annotations }).map(
      ([key, to]) => (to === null ? '-' : '+') + key,
    ),
    ...Object.keys(spec),
  ];
  return `${where} ${about.join(' ')}`;
}

function placeIn(path: string) {
  const [kind = '', name, below] = path
    .replace(/^\/(?:api\/v1|apis\/[^/]+\/[^/]+)\/(?:namespaces\/[^/]+\/)?/, '')
    .split('/');
  return { kind, name, below };
}
