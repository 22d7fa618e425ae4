import { describe, expect, test } from 'vitest';
import type { CopyPolicy } from '../../../../controller/copy/policy.ts';
import { meansOf } from '../../../../controller/steps/copy/network.ts';
import { type CopyPlan, copyPod, exportPod, importPod, roleOf } from '../../../../controller/steps/copy/pod.ts';
import { copyArguments, copyProgram, exportCapabilities } from '../../../../shared/api/copy.ts';
import { annotations, labels } from '../../../../shared/api/names.ts';
import type { Pod } from '../../../../shared/api/pod.ts';
import { claimsWrittenBy } from '../../../../shared/api/pods.ts';
import { copyPolicy } from '../../../support/build/copies.ts';
import { claim, uid, type VolumeOptions, volume } from '../world.ts';

type Mode = 'Filesystem' | 'Block';
interface Case extends VolumeOptions {
  readonly policy?: Partial<CopyPolicy>;
  readonly modes?: readonly [Mode, Mode];
  readonly imageSize?: bigint;
  readonly avoids?: readonly string[];
}

function planFor({
  policy = {},
  modes: [from, to] = ['Filesystem', 'Filesystem'],
  imageSize = 0n,
  avoids = [],
  ...options
}: Case = {}): CopyPlan {
  return {
    volume: volume(options),
    policy: { ...copyPolicy, ...policy },
    from: claim('source', { metadata: { namespace: 'golden' }, spec: { volumeMode: from } }),
    to: claim('t', { metadata: { namespace: 'golden', uid: 't-uid' }, spec: { volumeMode: to } }),
    imageSize,
    avoids,
    attempt: 2,
  };
}

const podFor = (options: Case = {}): Pod => copyPod(planFor(options)).object;

const argsOf = (pod: Pod) => {
  const args = pod.spec?.containers?.[0]?.args ?? [];
  return Object.fromEntries(args.slice(copyProgram.length).map((arg) => arg.slice(2).split('=', 2)));
};
const tree = { spec: { ...volume().spec, contentType: 'archive' } };

describe('the copy pod', () => {
  test('lies beside the source, is marked as ours, and tells into which claim it copies', () => {
    expect(podFor().metadata).toMatchObject({
      namespace: 'golden',
      name: `clonegate-copy-${uid}`,
      labels: { [labels.ownerUid]: uid, [labels.excludeFromBackup]: 'true' },
      annotations: { [annotations.copiesInto]: 't-uid' },
    });
  });

  test.each<[readonly [Mode, Mode], object]>([
    [
      ['Filesystem', 'Filesystem'],
      {
        volumeMounts: [
          { mountPath: '/source', readOnly: true },
          { mountPath: '/destination', readOnly: false },
        ],
      },
    ],
    [['Block', 'Block'], { volumeDevices: [{ devicePath: '/dev/source' }, { devicePath: '/dev/destination' }] }],
    [
      ['Block', 'Filesystem'],
      { volumeDevices: [{ devicePath: '/dev/source' }], volumeMounts: [{ mountPath: '/destination' }] },
    ],
    [
      ['Filesystem', 'Block'],
      { volumeMounts: [{ mountPath: '/source', readOnly: true }], volumeDevices: [{ devicePath: '/dev/destination' }] },
    ],
  ])('has both volumes: %j', (modes, uses) => {
    const pod = podFor({ modes });

    expect(pod.spec?.containers?.[0]).toMatchObject(uses);
    expect(argsOf(pod)).toMatchObject({ 'source-mode': modes[0], 'destination-mode': modes[1] });
    // So it is no writer to the source, for itself and for other clones of it.
    expect(claimsWrittenBy(pod)).toEqual(['t']);
  });

  test('is told everything that the program asks for, and nothing else', () => {
    expect(podFor().spec?.containers?.[0]?.args?.slice(0, copyProgram.length)).toEqual(copyProgram);
    expect(Object.keys(argsOf(podFor()))).toEqual(copyArguments.filter((name) => name !== 'peer'));
  });

  test('is let in by Pod Security "restricted", has no token, no network to speak of, and is never started again', () => {
    const { metadata, spec } = podFor();

    expect(spec).toMatchObject({
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 107,
        runAsGroup: 107,
        fsGroup: 107,
        seccompProfile: { type: 'RuntimeDefault' },
      },
    });
    expect(spec?.containers).toHaveLength(1);
    expect(spec?.containers?.[0]).toMatchObject({
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    });
    expect(spec?.containers?.[0]).not.toHaveProperty('securityContext.capabilities.add');
    expect(metadata.annotations).toMatchObject({
      'sidecar.istio.io/inject': 'false',
      'linkerd.io/inject': 'disabled',
      'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
    });
  });

  test('of a tree is root with what "baseline" allows, and no group that the kubelet would give everything to', () => {
    const { spec } = podFor(tree);
    const allowed = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP'];

    expect(spec?.securityContext).toEqual({ runAsUser: 0, runAsGroup: 0, seccompProfile: { type: 'RuntimeDefault' } });
    expect(spec?.containers?.[0]).toMatchObject({
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'], add: allowed } },
    });
    expect(argsOf(podFor(tree))).toMatchObject({ content: 'archive' });
  });

  const asking = (key: string, value: string): Case => ({ metadata: { annotations: { [key]: value } } });
  test.each<[string, Case, object]>([
    [
      'nothing',
      {},
      { verify: 'false', preallocation: 'false', bandwidth: '0', 'image-size': '0', content: 'kubevirt' },
    ],
    ['verification by the user', asking(annotations.verify, 'true'), { verify: 'true' }],
    ['verification by a word that is none', asking(annotations.verify, 'yes'), { verify: 'true' }],
    ['verification by the administrator', { policy: { verify: true } }, { verify: 'true' }],
    [
      'none by the user, against that',
      { ...asking(annotations.verify, 'false'), policy: { verify: true } },
      { verify: 'false' },
    ],
    ['preallocation', { spec: { ...volume().spec, preallocation: true } }, { preallocation: 'true' }],
    ['preallocation by annotation', asking(annotations.preallocation, 'true'), { preallocation: 'true' }],
    ['a limit', { policy: { bandwidth: 5n } }, { bandwidth: '5' }],
    ['a lower one', { ...asking(annotations.bandwidth, '3'), policy: { bandwidth: 5n } }, { bandwidth: '3' }],
    ['a higher one in vain', { ...asking(annotations.bandwidth, '1G'), policy: { bandwidth: 5n } }, { bandwidth: '5' }],
    ['one where there is none', asking(annotations.bandwidth, '1k'), { bandwidth: '1000' }],
    ['none, in vain', { ...asking(annotations.bandwidth, '-1'), policy: { bandwidth: 5n } }, { bandwidth: '5' }],
    ['a larger image', { imageSize: 1n << 40n }, { 'image-size': '1099511627776' }],
  ])('asked for %s', (_name, options, args) => {
    expect(argsOf(podFor(options))).toMatchObject(args);
  });

  test.each<[string, Case, string | undefined]>([
    ['none', {}, undefined],
    ["the administrator's", { policy: { priorityClass: 'low' } }, 'low'],
    ["the user's, in vain", { spec: { ...volume().spec, priorityClassName: 'system-node-critical' } }, undefined],
    [
      "the user's where he may",
      {
        policy: { priorityClass: 'low', priorityClasses: ['high'] },
        spec: { ...volume().spec, priorityClassName: 'high' },
      },
      'high',
    ],
    [
      'the one by annotation',
      { policy: { priorityClasses: ['high'] }, ...asking(annotations.priorityClass, 'high') },
      'high',
    ],
  ])('has a priority class: %s', (_name, options, priorityClassName) => {
    expect(podFor(options).spec?.priorityClassName).toBe(priorityClassName);
  });

  test('goes where the administrator wants, with what he grants', () => {
    const nodeSelector = { disk: 'fast' };
    const tolerations = [{ key: 'storage', operator: 'Exists' }] as const;
    const limits = { cpu: '1' };
    const { spec } = podFor({ policy: { nodeSelector, tolerations, limits, requests: {} } });

    expect(spec).toMatchObject({ nodeSelector, tolerations, containers: [{ resources: { limits, requests: {} } }] });
    expect(podFor().spec).not.toHaveProperty('nodeSelector');
    expect(podFor().spec).not.toHaveProperty('tolerations');
  });
});

test('a pod that copies does not go to nodes that have enough to do, by their very names', () => {
  const field = (name: string) => ({ key: 'metadata.name', operator: 'NotIn', values: [name] });
  for (const make of [copyPod, (plan: CopyPlan) => importPod(plan, '10.1.2.3')]) {
    const { metadata, spec } = make(planFor({ avoids: ['node-1', 'node-2'] })).object as Pod;
    expect(spec?.affinity).toEqual({
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [field('node-1'), field('node-2')] }],
        },
      },
    });
    expect(metadata.annotations).toHaveProperty([annotations.avoidsNodes], 'node-1 node-2');
  }
  const exporter = exportPod(planFor({ avoids: ['node-1'] })).object as Pod;
  expect(exporter.spec).not.toHaveProperty('affinity');
  expect(exporter.metadata.annotations).not.toHaveProperty([annotations.avoidsNodes]);
  expect(podFor().spec).not.toHaveProperty('affinity');
  expect(podFor().metadata.annotations).not.toHaveProperty([annotations.avoidsNodes]);
});

describe('the two pods of a copy over the network', () => {
  const both = (options: Case = {}): readonly [Pod, Pod] => [
    exportPod(planFor(options)).object,
    importPod(planFor(options), '10.1.2.3').object,
  ];
  const key = { name: 'keys', secret: { secretName: 'clonegate-keys-t-uid', defaultMode: 0o440 } };
  const keyMount = { name: 'keys', mountPath: '/keys', readOnly: true };
  const socketMount = { name: 'sockets', mountPath: '/run/clonegate', readOnly: false };

  test('are told apart by their label, from each other and from one that is alone', () => {
    expect(both().map(roleOf)).toEqual(['export', 'import']);
    expect(roleOf(podFor())).toBe('copy');
    expect(both().map(({ metadata }) => [metadata.name, metadata.labels?.[labels.copyRole]])).toEqual([
      [`clonegate-export-${uid}`, 'export'],
      [`clonegate-copy-${uid}`, 'import'],
    ]);
    expect(podFor().metadata.labels).not.toHaveProperty([labels.copyRole]);
  });

  test('have one volume each, and the key', () => {
    const [from, to] = both();
    expect(from.spec?.volumes).toEqual([
      { name: 'source', persistentVolumeClaim: { claimName: 'source', readOnly: true } },
      key,
      { name: 'sockets', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    ]);
    expect(to.spec?.volumes).toEqual([{ name: 'destination', persistentVolumeClaim: { claimName: 't' } }, key]);
    expect(from.spec?.containers?.[0]?.volumeMounts).toEqual([
      { name: 'source', mountPath: '/source', readOnly: true },
      keyMount,
      socketMount,
    ]);
    expect(to.spec?.containers?.[0]?.volumeMounts).toEqual([
      { name: 'destination', mountPath: '/destination', readOnly: false },
      keyMount,
    ]);
    expect(both().map(claimsWrittenBy)).toEqual([[], ['t']]);
    const [device] = both({ modes: ['Block', 'Block'] });
    expect(device.spec?.containers?.[0]).toMatchObject({
      volumeDevices: [{ name: 'source', devicePath: '/dev/source' }],
      volumeMounts: [keyMount, socketMount],
    });
    const [hands] = both(tree);
    expect(hands.spec?.containers?.[0]?.volumeMounts).toEqual([
      { name: 'source', mountPath: '/source', readOnly: true },
      keyMount,
    ]);
    expect(hands.spec?.volumes).toHaveLength(2);
  });

  test('are told who they are; one knows its own address, the other that of the first', () => {
    const [from, to] = both();
    expect(argsOf(from)).toMatchObject({ role: 'export', 'source-mode': 'Filesystem' });
    expect(argsOf(from)).not.toHaveProperty('peer');
    expect(argsOf(to)).toMatchObject({ role: 'import', peer: '10.1.2.3' });
    expect(from.spec?.containers?.[0]?.env).toEqual([
      { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    ]);
    expect(to.spec?.containers?.[0]).not.toHaveProperty('env');
  });

  test('may do what one that is alone may, and the one that only reads what it needs for that, of what "baseline" allows', () => {
    for (const pod of both()) {
      const volumes = roleOf(pod) === 'export' ? [{}, {}, {}] : [{}, {}];
      expect(pod.spec).toMatchObject({ ...podFor().spec, containers: [{}], volumes });
      expect(pod.spec?.containers?.[0]?.securityContext).toEqual(podFor().spec?.containers?.[0]?.securityContext);
    }
    const baseline = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETFCAP', 'SETGID', 'SETUID', 'SYS_CHROOT'];
    expect(baseline).toEqual(expect.arrayContaining([...exportCapabilities]));
    const [from, to] = both(tree);
    expect(from.spec?.containers?.[0]).toHaveProperty('securityContext.capabilities.add', [...exportCapabilities]);
    expect(to.spec?.containers?.[0]?.securityContext).toEqual(podFor(tree).spec?.containers?.[0]?.securityContext);
  });

  test('have a key of which the plan knows nothing, and which goes with the claim', () => {
    const [secret] = meansOf(planFor());
    expect(secret).toMatchObject({ unseen: true, newKey: 'keys.psk', ownerUid: uid });
    expect(secret?.object).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'Opaque',
      immutable: true,
      metadata: {
        namespace: 'golden',
        name: 'clonegate-keys-t-uid',
        labels: podFor().metadata.labels,
        ownerReferences: [{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', name: 't', uid: 't-uid' }],
      },
    });
  });

  test('reach each other on one port, and nobody else, in one direction', () => {
    const [, ...policies] = meansOf(planFor());
    const of = (role: string) => ({
      podSelector: {
        matchLabels: { [labels.ownerUid]: uid, [labels.managedBy]: 'clonegate', [labels.copyRole]: role },
      },
    });
    const ports = [{ protocol: 'TCP', port: 10_810 }];
    const policyTypes = ['Ingress', 'Egress'];
    expect(policies.map(({ object }) => object)).toMatchObject([
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'clonegate-export-t-uid', namespace: 'golden', ownerReferences: [{ uid: 't-uid' }] },
        spec: { ...of('export'), policyTypes, ingress: [{ from: [of('import')], ports }], egress: [] },
      },
      {
        metadata: { name: 'clonegate-import-t-uid', namespace: 'golden', ownerReferences: [{ uid: 't-uid' }] },
        spec: { ...of('import'), policyTypes, ingress: [], egress: [{ to: [of('export')], ports }] },
      },
    ]);
    for (const pod of both()) expect(pod.metadata.labels).toMatchObject(of(roleOf(pod)).podSelector.matchLabels);
  });
});
