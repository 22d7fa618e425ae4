import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { idPrefix } from '../identity.ts';
import { entries, readOrEmpty } from '../remains.ts';

/** A hierarchy of cgroups: each controller's own in version 1, the one for all in version 2. */
interface CgroupMount {
  readonly folder: string;
  readonly version: 1 | 2;
}

/** Where containers are accounted and limited. */
export function cgroupMounts(): readonly CgroupMount[] {
  return readOrEmpty('/proc/self/mounts')
    .split('\n')
    .flatMap((line): readonly CgroupMount[] => {
      const [, folder = '', type] = line.split(' ');
      if (type === 'cgroup') return [{ folder, version: 1 }];
      return type === 'cgroup2' ? [{ folder, version: 2 }] : [];
    });
}

/**
 * Makes the cgroup in every hierarchy, for the kubelet takes none that is not there. Where both versions are mounted, version 2 has no
 * controllers, and the kubelet and runc go by version 1.
 * @param path such as `clonegate-e2e-1a2b3c4d/node-1`. @throws Error of one line when root may not.
 */
export function createCgroups(path: string): void {
  const mounts = cgroupMounts();
  const version = mounts.some((mount) => mount.version === 1) ? 1 : 2;
  for (const { folder } of mounts.filter((mount) => mount.version === version)) {
    const names = path.split('/');
    for (let depth = 1; depth <= names.length; depth += 1) {
      const parent = join(folder, ...names.slice(0, depth - 1));
      createCgroup(parent, names[depth - 1] ?? '', version);
    }
  }
}

function createCgroup(parent: string, name: string, version: 1 | 2): void {
  const folder = join(parent, name);
  try {
    mkdirSync(folder, { recursive: true });
    if (version === 2) delegate(parent);
    // Version 1 takes no process into a cpuset that has no processors yet.
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      if (version === 1 && readOrEmpty(join(folder, file)).trim() === '' && readOrEmpty(join(parent, file)) !== '')
        writeFileSync(join(folder, file), readFileSync(join(parent, file)));
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`a real node needs cgroups that root may change, and this machine's may not be (${why})`, {
      cause,
    });
  }
}

/** In version 2 a parent says which controllers its children have. */
function delegate(parent: string): void {
  const controllers = readOrEmpty(join(parent, 'cgroup.controllers')).trim().split(' ');
  writeFileSync(join(parent, 'cgroup.subtree_control'), controllers.map((name) => `+${name}`).join(' '));
}

/** Those of all clusters, one folder per hierarchy. */
export function clusterCgroups(): readonly string[] {
  return cgroupMounts().flatMap(({ folder }) =>
    entries(folder)
      .filter((name) => name.startsWith(idPrefix))
      .map((name) => join(folder, name)),
  );
}

/** Removes a cgroup and all below it. @throws Error while a process is in one of them. */
export function removeCgroup(folder: string): void {
  for (const entry of entries(folder, 'folders')) removeCgroup(join(folder, entry));
  rmdirSync(folder);
}
