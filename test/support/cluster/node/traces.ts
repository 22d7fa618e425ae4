import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { entries, loopDevices } from '../remains.ts';

/** Where the programs of a node leave things that do not carry their cluster's name. */
const fixedPlaces = [
  '/run/containerd',
  '/run/netns',
  '/var/lib/kubelet',
  '/var/lib/cni',
  '/var/log/containers',
  '/var/log/pods',
];
const kernelSettings = [
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'kernel/keys/root_maxbytes',
  'net/ipv4/ip_forward',
];

/**
 * What a node could change on this machine that would not carry its cluster's name: one line for each thing there is, so that two answers
 * can be compared.
 */
export function traces(): readonly string[] {
  return [
    ...fixedPlaces.flatMap((folder) => entries(folder).map((name) => join(folder, name))),
    ...entries('/sys/class/net').map((name) => `network interface ${name}`),
    // A kubelet's device on the device of a block volume, once the volume is unmounted.
    ...loopDevices().flatMap(({ device, file }) =>
      file === '/' ? [`loop device ${device} of nothing that has a name`] : [],
    ),
    ...kernelSettings.map((name) => `${name} = ${readFileSync(join('/proc/sys', name), 'utf8').trim()}`),
  ];
}
