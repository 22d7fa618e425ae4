import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { finalizer, labels } from '../../../shared/api/names.ts';
import type { WebhookConfiguration } from '../../../shared/api/objects.ts';
import { Story } from '../../demo/story.ts';
import { tell } from '../../demo/tell.ts';
import { type Cluster, startCluster, until } from '../../support/cluster/index.ts';
import { applyObjects } from '../../support/helm/apply.ts';
import { releaseNamespace as namespace, objectsOf } from '../../support/helm/chart.ts';
import { type PaperNode, startPaperNode } from '../../support/paper-node.ts';
import { type ProcessNode, startProcessNode } from '../../support/process-node.ts';
import { covers, requestsOf, rightsOf, wordsOfRight } from '../../support/rights.ts';
import { type Service, startService } from '../../support/service.ts';
import { Everything } from './everything.ts';
import { called, isUninstalled, Release, untilCalled } from './release.ts';

/**
 * A release from `helm install` to `helm uninstall`, twice, by both majors of helm. Deployments, Jobs and ServiceAccounts are real, and so
 * are the flags and the rights that the programs run with; only the kubelet is ours, and starts them as processes.
 */

const accounts = ['clonegate-webhook', 'clonegate-controller'] as const;
const userOf = (account: string): string => `system:serviceaccount:${namespace}:${account}`;

/**
 * What takes months is to happen within the test: two kinds of keys are replaced, leaders change, and what waits is told. A machine may stop any
 * program for seconds meanwhile, so a leader has time to renew, and everybody time to hear of a new key.
 */
const quickened = [
  'certificates.selfSigned.caDuration=45s',
  'certificates.selfSigned.certificateDuration=10s',
  'certificates.selfSigned.caOverlap=4s',
  'stampKeys.managed.duration=25s',
  'stampKeys.managed.overlap=6s',
  'controller.leaderElection.leaseDuration=12s',
  'controller.leaderElection.renewDeadline=10s',
  'controller.leaderElection.retryPeriod=500ms',
  'controller.stallAfter=1s',
  'webhook.drain=1s',
  'hooks.uninstall.wait=3s',
];

let cluster: Cluster;
let service: Service;
let pods: ProcessNode;
let paper: PaperNode;
let release: Release;
let everything: Everything;

beforeAll(async () => {
  cluster = await startCluster({ tier: 'storage', name: 'install' });
  service = await startService();
  paper = await startPaperNode(cluster, (each) => each !== namespace);
  pods = startProcessNode(cluster, namespace, ({ serving }) => {
    const url = serving.at(-1);
    if (url !== undefined) service.sendTo(url);
  });
  release = new Release(cluster, [`admission.url=${service.url}`, ...quickened]);
  everything = new Everything(cluster);
});
afterAll(async () => {
  await pods?.stop();
  await paper?.stop();
  await cluster?.stop();
  await service?.[Symbol.asyncDispose]();
});

async function kubectl(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function caBundle(): Promise<string> {
  const path = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/clonegate';
  const { webhooks = [] } = await cluster.api.get<WebhookConfiguration>(path);
  return webhooks[0]?.clientConfig.caBundle ?? '';
}

/** What clones make on their way, by its names; target claims have the same label, and their own. */
async function leftBehind(): Promise<readonly string[]> {
  const names = await kubectl('get', 'pvc,volumesnapshots,pods', '-A', '-l', labels.ownerUid, '-o', 'name');
  return names.split('\n').filter((name) => name.includes('/clonegate-'));
}

/** What `helm test` says. @throws Error with what the program said. */
async function tested(): Promise<string> {
  return await release.run('test', 'clonegate', '--timeout=10m').catch((error: unknown) => {
    const said = pods.logs('verify').map((file) => readFileSync(file, 'utf8'));
    throw new Error(said.join('\n'), { cause: error });
  });
}

describe('a release', () => {
  test('is installed by one command, and says what to do next', async () => {
    await everything.orphans();
    const notes = await release.install();
    expect(notes).toContain('helm test clonegate -n clonegate-system');
    await until('four programs to run', () => pods.running.length === 4);
    expect(await tested()).toMatch(/clonegate-verify[\s\S]*Succeeded/);
  });

  test('refuses a clone, and makes another', async () => {
    let told = '';
    const story = new Story({
      write: (text) => {
        told += text;
      },
      kubectl: async (args, user) => await called(async () => await cluster.kubectl(args, { user })),
    });
    await tell(story, cluster);
    expect(told).toMatch(/CloneDenied[\s\S]*CloneSucceeded/);
  });

  test('makes every kind of clone', async () => {
    await everything.clones();
    await everything.waits();
    await everything.refusedAgain();
    await until('all to be swept up', async () => (await leftBehind()).length === 0);
  });

  test('is the same when it is rendered once more, and leaves a second owner nothing to change', async () => {
    const [one, two] = [await release.template(), await release.template()];
    expect(two).toBe(one);
    const { code, stdout, stderr } = await cluster.kubectl(
      ['diff', '--server-side', '--force-conflicts', '--field-manager=argocd-controller', '-f', '-'],
      { input: one },
    );
    expect([code, stdout, stderr]).toEqual([0, '', '']);
  });

  test('is upgraded and rolled back, and API servers go on trusting it', async () => {
    await release.upgrade('logLevel=debug', 'controller.workers=2');
    await untilCalled(cluster);
    expect(await kubectl('get', '-n', namespace, 'deploy/clonegate-controller', '-o', 'yaml')).toContain('--workers=2');
    expect(await caBundle()).not.toBe('');
    await release.run('rollback', 'clonegate', '1', '--wait', '--timeout=10m');
    await untilCalled(cluster);
    expect(await kubectl('get', '-n', namespace, 'deploy/clonegate-controller', '-o', 'yaml')).toContain('--workers=4');
    expect(await caBundle()).not.toBe('');
    await everything.clone('rolled-back');
  });

  test('goes while a clone is under way, and nothing hangs afterwards', async () => {
    const faults = cluster.faults('reflink');
    await faults.set('CreateVolume', { mode: 'always', code: 'UNAVAILABLE', message: 'later' });
    await everything.begin('cut-off');
    await until('the clone to be under way', async () => (await everything.volume('cut-off')).metadata.finalizers);
    const before = await kubectl('get', 'crd', '-o', 'name');
    await release.run('uninstall', 'clonegate', '--timeout=10m');

    expect((await everything.volume('cut-off')).metadata.finalizers ?? []).not.toContain(finalizer);
    expect(await kubectl('get', 'events', '-A', '--field-selector=reason=CloneAbandoned')).toContain('cut-off');
    await until('nothing to be left of it', async () => (await leftBehind()).length === 0);
    expect(await kubectl('get', 'crd', '-o', 'name'), 'definitions stay').toBe(before);
    expect(await kubectl('get', 'mutatingwebhookconfigurations,validatingwebhookconfigurations', '-o', 'name')).toBe(
      '',
    );
    await until('all processes to be gone', () => pods.running.length === 0);
    await everything.begin('nobody');
    await kubectl('delete', 'datavolume', '-n', everything.team, 'nobody', '--timeout=240s');
  });

  test('comes back by the other helm, and the clone that was cut off goes on', async () => {
    await cluster.faults('reflink').dispose();
    release.helm = 'helm3';
    await release.install();
    await untilCalled(cluster);
    await everything.succeeds('cut-off');
    await until('its finalizer to be gone', async () => !(await everything.volume('cut-off')).metadata.finalizers);
    await everything.again();
    await everything.keysAreMadeByTheInstaller();
  });
});

describe('the rights of the chart', () => {
  test.each(accounts)('%s was never refused anything', async (account) => {
    const events = await cluster.auditEvents();
    const requests = requestsOf(events, userOf(account));
    expect(requests.length).toBeGreaterThan(50);
    const away = isUninstalled(events, accounts);
    // The time without rights is that of the uninstall, and no longer.
    expect(requests.filter((event) => away(event)).length).toBeLessThan(requests.length / 10);
    const refused = requests.filter((event) => event.responseStatus?.code === 403 && !away(event));
    expect(refused.map(({ verb, requestURI }) => `${verb} ${requestURI}`)).toEqual([]);
  });

  const unseen = new Set([
    // Asked for by an admission plugin that this cluster does not have, and by nobody else (the rule says so).
    'ClusterRole clonegate-controller: update datavolumes/finalizers.cdi.kubevirt.io',
    // By copies, which take pods: test/e2e/node/install.test.ts sees these two used.
    'ClusterRole clonegate-controller: get pods/log',
    'ClusterRole clonegate-controller: get volumesnapshotcontents.snapshot.storage.k8s.io',
    // By copies that take two pods: test/e2e/node/copy sees it used, and the right to make Secrets.
    'ClusterRole clonegate-controller: create networkpolicies.networking.k8s.io',
  ]);

  test.each(accounts)('%s has each for something that it did, and none for nothing', async (account) => {
    const requests = requestsOf(await cluster.auditEvents(), userOf(account));
    const rights = rightsOf(objectsOf(await release.template()), account);
    const lent = account === 'clonegate-controller' ? ['patch deployments/scale'] : [];
    const uncovered = requests.filter((event) => !rights.some((right) => covers(right, event)));
    const words = uncovered.map(({ verb, objectRef: at }) => `${verb} ${at?.resource}/${at?.subresource ?? ''}`);
    expect([...new Set(words)]).toEqual(lent);
    const idle = rights.filter((right) => !requests.some((event) => covers(right, event))).map(wordsOfRight);
    expect(idle.filter((words) => !unseen.has(words))).toEqual([]);
  });

  test.each([
    ['clonegate-controller', 'persistentvolumes'],
    ['clonegate-controller', 'subjectaccessreviews'],
    ['clonegate-webhook', 'subjectaccessreviews'],
    ['clonegate-webhook', 'persistentvolumeclaims'],
  ])('%s cannot do its work without the rules for %s', async (role, resource) => {
    await expect(everything.without(role, resource)).resolves.toBe('broken');
  });
});

/** Last, as nothing works afterwards. */
test('where CDI comes, helm refuses to go on, and a controller that starts ends and says why', async () => {
  const names = { kind: 'CDI', listKind: 'CDIList', plural: 'cdis', singular: 'cdi' };
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'cdis.cdi.kubevirt.io' },
    spec: {
      group: 'cdi.kubevirt.io',
      scope: 'Cluster',
      names,
      versions: [{ name: 'v1beta1', served: true, storage: true, schema }],
    },
  };
  await applyObjects(cluster, [definition]);
  await kubectl('wait', '--for=condition=Established', 'crd/cdis.cdi.kubevirt.io', '--timeout=240s');
  await expect(release.upgrade()).rejects.toThrow(/Set executor=cdi, or remove CDI first/);
  await kubectl('rollout', 'restart', '-n', namespace, 'deployment/clonegate-controller');
  await until('a controller to say why it does not start', () =>
    pods.logs('controller').some((file) => readFileSync(file, 'utf8').includes('start with --executor=cdi')),
  );
});
