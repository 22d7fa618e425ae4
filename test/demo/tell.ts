import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Cluster, until } from '../support/cluster/index.ts';
import { fillDisk, sha256sum } from './disk.ts';
import { NotAsToldError, type Story } from './story.ts';

const manifest = (name: string): string => join(import.meta.dirname, 'manifests', `${name}.yaml`);
const phase = (value: string): string => `--for=jsonpath={.status.phase}=${value}`;
const decision = String.raw`jsonpath={.metadata.annotations.clonegate\.io/decision}`;

/** The story that the demo tells. @throws NotAsToldError at the first step that goes another way. */
export async function tell(story: Story, cluster: Cluster): Promise<void> {
  const source = await setTheStage(story, cluster);
  await refuse(story, cluster);
  await plan(story);
  await clone(story);
  await compare(story, cluster, source, 'my-vm-disk');
}

async function setTheStage(story: Story, cluster: Cluster): Promise<string> {
  story.chapter('Two tenants, and a disk that belongs to tenant-a');
  await story.kubectl('admin', ['apply', '-f', manifest('tenants')]);
  await story.kubectl('admin', ['apply', '-f', manifest('profile')]);
  await story.kubectl('admin', ['apply', '-f', manifest('source')]);
  await story.kubectl('admin', ['wait', '-n', 'tenant-a', 'pvc/fedora', phase('Bound'), '--timeout=180s']);
  const path = await volumeOf(cluster, 'fedora');
  await fillDisk(path, (await stat(path)).size);
  story.say('56 MiB of random bytes now lie at the beginning, in the middle and at the end of the 1 GiB volume.');
  return path;
}

async function refuse(story: Story, cluster: Cluster): Promise<void> {
  story.chapter('tenant-b asks for a copy of it, and is told why not, and what would have to be done');
  const says = [/Forbidden/, /tenant-b/, /datavolumes\/source/, /kubectl create rolebinding/];
  await story.kubectl('tenant-b', ['create', '-f', manifest('steal')], { succeeds: false, says });

  story.chapter('The admin sees who was refused, in all namespaces');
  const denials = ['get', 'events', '-A', '--field-selector', 'reason=CloneDenied'];
  // Events are written beside the answer, not before it; a person would hardly type fast enough to notice.
  await until('the event of the refusal', async () => (await cluster.kubectl(denials)).stdout.includes('not-mine'));
  await story.kubectl('admin', denials, { says: [/CloneDenied/, /not-mine/, /tenant-b/] });
}

async function plan(story: Story): Promise<void> {
  story.chapter('tenant-a asks what would happen: a dry run shows the decision, with every strategy and its reason');
  const args = ['create', '-f', manifest('clone'), '--dry-run=server', '-o', decision];
  await story.kubectl('tenant-a', args, {
    says: [/"strategy":"csi-clone"/, /"reason":"Preferred"/, /"snapshot"/, /"copy"/],
  });
  await story.kubectl('tenant-a', ['get', 'datavolumes', '-n', 'tenant-a'], { says: [/No resources found/] });
}

async function clone(story: Story): Promise<void> {
  story.chapter('tenant-a clones');
  await story.kubectl('tenant-a', ['create', '-f', manifest('clone')]);
  await succeeded(story, 'my-vm-disk');
  await story.kubectl('tenant-a', ['get', 'datavolumes,persistentvolumeclaims', '-n', 'tenant-a'], {
    says: [/my-vm-disk\s+Succeeded\s+100\.0%/, /my-vm-disk\s+Bound/],
  });
  await story.kubectl('tenant-a', ['events', '-n', 'tenant-a', '--for', 'datavolume/my-vm-disk'], {
    says: [/CloneSucceeded/],
  });
}

/** What only pods on a real node can do. @throws NotAsToldError at the first step that goes another way. */
export async function tellOfPods(story: Story, cluster: Cluster): Promise<void> {
  story.chapter('Into a StorageClass of another driver, a pod has to copy the bytes; the warning says so and why');
  await story.kubectl('tenant-a', ['create', '-f', manifest('copy')], {
    says: [/Warning: slow copy .*IncompatibleProvisioners/],
  });
  await succeeded(story, 'my-vm-disk-elsewhere');
  await story.kubectl('tenant-a', ['events', '-n', 'tenant-a', '--for', 'datavolume/my-vm-disk-elsewhere'], {
    says: [/CopyFinished .*bytes copied/, /CloneSucceeded/],
  });
  await compare(story, cluster, await volumeOf(cluster, 'fedora'), 'my-vm-disk-elsewhere');
}

async function succeeded(story: Story, name: string): Promise<void> {
  const volume = `datavolume/${name}`;
  await story.kubectl('tenant-a', ['wait', '-n', 'tenant-a', volume, phase('Succeeded'), '--timeout=180s']);
}

async function compare(story: Story, cluster: Cluster, source: string, clone: string): Promise<void> {
  story.chapter('The bytes are the same');
  const target = await volumeOf(cluster, clone);
  const sums = await sha256sum(source, target);
  story.shown(`$ sha256sum <volume of fedora> <volume of ${clone}>`, sums);
  const [one, two] = sums.split('\n').map((line) => line.slice(0, 64));
  if (source === target || one === undefined || one !== two)
    throw new NotAsToldError('the sums should be equal, of two volumes');
}

async function volumeOf(cluster: Cluster, claim: string): Promise<string> {
  const { stdout } = await cluster.kubectl([
    'get',
    'pvc',
    '-n',
    'tenant-a',
    claim,
    '-o',
    'jsonpath={.spec.volumeName}',
  ]);
  return cluster.volumePath(stdout.trim());
}
