/**
 * What the scheduler says of a pod that no node takes, read for one question: do the volumes keep it from every node, for good? Pure.
 *
 * The message is that of kube-scheduler's FitError: `0/3 nodes are available: ` and for each reason how many nodes it holds for, then what
 * preemption would help. A node is refused by one plugin, which may give several reasons, so the counts are at least as many as the nodes.
 * What is not known here, or not understood, proves nothing: then there may be a node some day, and it is waited for.
 */
export interface Refusal {
  /** At least one node was refused because it does not reach a volume. */
  readonly volumes: boolean;
  /** No node was refused for something that may pass by itself. */
  readonly lasting: boolean;
}

const nothing: Refusal = { volumes: false, lasting: false };

/** @param message of the condition PodScheduled when its reason is Unschedulable. */
export function refusalOf(message: string): Refusal {
  const [, nodes = '', said = ''] = /^0\/(\d{1,9}) nodes are available: (.+)$/s.exec(message) ?? [];
  // Plugins' words have no full stop with a blank behind it.
  const [reasons = ''] = said.split(/\.(?: |$)/, 1);
  const ofAll = meaningOf(reasons);
  if (ofAll !== 'passing') return { volumes: ofAll === 'volume', lasting: true };
  const counted = reasons.split(/, (?=\d+ )/).map(readReason);
  const total = counted.reduce((sum, { count }) => sum + count, 0);
  if (nodes === '' || total < Number(nodes)) return nothing;
  return {
    volumes: counted.some(({ meaning }) => meaning === 'volume'),
    lasting: counted.every(({ meaning }) => meaning !== 'passing'),
  };
}

/** Whether a node was refused for what the pod itself says of nodes. */
export function refusesByAffinity(message: string): boolean {
  return message.includes("node(s) didn't match Pod's node affinity/selector") || message.includes('NodeAffinity');
}

type Meaning =
  /** The node does not reach a volume that there is. */
  | 'volume'
  /** The node will refuse the pod as long as both are what they are. */
  | 'lasting'
  | 'passing';

function readReason(text: string): { readonly count: number; readonly meaning: Meaning } {
  const [, count = '0', reason = ''] = /^(\d{1,9}) (.+)$/s.exec(text) ?? [];
  return { count: Number(count), meaning: meaningOf(reason) };
}

/** By the words of the plugins, of Kubernetes 1.30 and later (pkg/scheduler/framework/plugins). */
const meanings: ReadonlyMap<string, Meaning> = new Map([
  ["node(s) didn't match PersistentVolume's node affinity", 'volume'],
  ['node(s) had volume node affinity conflict', 'volume'],
  ['node(s) had no available volume zone', 'volume'],
  // A volume that is yet to be made cannot be made there. By itself it proves nothing: a class may have no volume for any node.
  ["node(s) didn't find available persistent volumes to bind", 'lasting'],
  ["node(s) didn't match Pod's node affinity/selector", 'lasting'],
  ["node(s) didn't match scheduler-enforced node affinity", 'lasting'],
]);

function meaningOf(reason: string): Meaning {
  return meanings.get(reason) ?? meaningOfPlugins(reason) ?? (isRole(reason) ? 'lasting' : 'passing');
}

/** Plugins that name all the nodes they will have, before any node is looked at: the others are refused by one of them, or by both. */
function meaningOfPlugins(reason: string): Meaning | undefined {
  const [, some, at, one] =
    /^node\(s\) didn't satisfy plugin(?:\(s\) \[([\w ]+)\]( simultaneously)?| (\w+))$/.exec(reason) ?? [];
  const plugins = (some ?? one ?? '').split(' ');
  const volumes = plugins.filter((plugin) => plugin === 'VolumeBinding' || plugin === 'VolumeZone');
  const others = plugins.filter((plugin) => plugin !== 'VolumeBinding' && plugin !== 'VolumeZone');
  if (others.some((plugin) => plugin !== 'NodeAffinity')) return undefined;
  const isForVolumes = volumes.length > 0 && (others.length === 0 || at !== undefined);
  return isForVolumes ? 'volume' : 'lasting';
}

/**
 * The role of a node is lasting (a control plane does not become a worker). Every other taint may be there for a moment: while a node
 * starts, is drained, or does not answer. As of 1.36 the scheduler no longer names the taint.
 */
function isRole(reason: string): boolean {
  return /^node\(s\) had untolerated taint \{node-role\.kubernetes\.io\/[^:}]*: [^}]*\}$/.test(reason);
}
