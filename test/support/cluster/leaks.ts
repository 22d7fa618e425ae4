import { join } from 'node:path';
import { idPrefix, roots, watchdogVariable } from './identity.ts';
import { clusterCgroups } from './node/cgroups.ts';
import { entries, loopDevices, markedProcesses, mountPoints, podProcesses } from './remains.ts';

/** What clusters have on this machine right now, one line each, whoever started them. Empty when every trace is gone. */
export function leaks(): readonly string[] {
  const ours = (path: string): boolean => roots().some((root) => path.startsWith(join(root, idPrefix)));
  return [
    ...[...markedProcesses(), ...podProcesses()].map(
      ({ pid, command, cluster }) => `process ${pid} of ${cluster}: ${command}`,
    ),
    ...markedProcesses(watchdogVariable).map(({ pid, cluster }) => `watchdog ${pid} of ${cluster}`),
    ...mountPoints()
      .filter(ours)
      .map((mount) => `mount ${mount}`),
    ...loopDevices().flatMap(({ device, file }) => (ours(file) ? [`loop device ${device} of ${file}`] : [])),
    ...clusterCgroups().map((folder) => `cgroup ${folder}`),
    ...folders().map((folder) => `folder ${folder}`),
  ];
}

/** Lines of {@link leaks} that speak of one cluster. */
export function leaksOf(id: string): readonly string[] {
  return leaks().filter((line) => line.includes(id));
}

function folders(): readonly string[] {
  return roots().flatMap((root) =>
    entries(root)
      .filter((name) => name.startsWith(idPrefix))
      .map((name) => join(root, name)),
  );
}
