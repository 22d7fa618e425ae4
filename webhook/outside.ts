import type { DataVolume } from '../shared/api/datavolume.ts';
import { notServedText, type Served } from '../shared/kube/served.ts';
import type { Refusal } from './respond.ts';
import { askedOf } from './source.ts';

/**
 * Whether a clone touches a namespace that is not served. Told by what the requester wrote alone, so it is the same for everybody, and
 * before anything is asked or read: there is nothing that we could or may find out there.
 */
export function outside({ includes }: Pick<Served, 'includes'>, volume: DataVolume): Refusal | undefined {
  const { namespace = '' } = volume.metadata;
  const asked = askedOf(volume);
  const places = [
    { name: namespace, field: 'metadata.namespace', whose: 'of the DataVolume' },
    { name: asked.namespace, field: `${asked.field}.namespace`, whose: `of the ${asked.kind} to clone` },
  ];
  const place = places.find(({ name }) => !includes(name));
  if (place === undefined) return undefined;
  const message =
    `${notServedText(place.name)}, and it is the namespace ${place.whose}: what may be cloned there, it can neither find out nor carry out. ` +
    'Clone between namespaces that are served, or have an administrator add this one (chart value namespaces, setting --namespaces)';
  return { reason: 'NamespaceNotServed', message, causes: [{ field: place.field }] };
}
