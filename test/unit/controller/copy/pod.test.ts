import { describe, expect, test } from 'vitest';
import type { CopyPolicy } from '../../../../controller/copy/policy.ts';
import { type CopyPlan, copyPod } from '../../../../controller/steps/copy-pod.ts';
import { copyArguments, copyProgram } from '../../../../shared/api/copy.ts';
import { annotations, labels } from '../../../../shared/api/names.ts';
import type { Pod } from '../../../../shared/api/objects.ts';
import { claimsWrittenBy } from '../../../../shared/api/pods.ts';
import { copyPolicy } from '../../../support/build/copies.ts';
import { claim, uid, type VolumeOptions, volume } from '../world.ts';

type Mode = 'Filesystem' | 'Block';
interface Case extends VolumeOptions {
  readonly policy?: Partial<CopyPolicy>;
  readonly modes?: readonly [Mode, Mode];
  readonly imageSize?: bigint;
}

function podFor({
  policy = {},
  modes: [from, to] = ['Filesystem', 'Filesystem'],
  imageSize = 0n,
  ...options
}: Case = {}): Pod {
  const plan: CopyPlan = {
    volume: volume(options),
    policy: { ...copyPolicy, ...policy },
    from: claim('source', { metadata: { namespace: 'golden' }, spec: { volumeMode: from } }),
    to: claim('t', { metadata: { namespace: 'golden', uid: 't-uid' }, spec: { volumeMode: to } }),
    imageSize,
  };
  return copyPod(plan).object;
}

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
