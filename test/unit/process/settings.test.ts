import { describe, expect, test } from 'vitest';
import { helpText, parseSettings, SettingsError, settingsTable } from '../../../shared/process/settings.ts';

const controllerFiles = ['--stamp-public-keys-file=/k/stamps.json', '--identity-key-file=/k/identity.json'];
const machine = { hostname: 'here' };

function faultsOf(argv: readonly string[], env: Record<string, string> = {}): readonly string[] {
  try {
    parseSettings('controller', argv, env, machine);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('settings', () => {
  test('have defaults, of which some come from the surroundings', () => {
    const settings = parseSettings(
      'webhook',
      [
        '--tls-cert-file=a',
        '--tls-key-file=b',
        '--stamp-key-file=c',
        '--stamp-public-keys-file=e',
        '--identity-public-key-file=d',
      ],
      { POD_NAMESPACE: 'gate' },
      machine,
    );
    expect(settings).toEqual({
      logLevel: 'info',
      kubeconfig: '',
      namespace: 'gate',
      namespaces: [],
      podName: 'here',
      opsHost: '0.0.0.0',
      opsPort: 8080,
      sameStorageClass: false,
      cloneStrategyOverride: 'none',
      authorizationSameNamespace: 'ask',
      podCreatorsMayClone: false,
      host: '0.0.0.0',
      port: 10_250,
      certificates: 'files',
      tlsCertFile: 'a',
      tlsKeyFile: 'b',
      caSecret: 'clonegate-webhook-ca',
      caDuration: 31_536_000_000,
      caOverlap: 120_000,
      certificateDuration: 604_800_000,
      certificateNames: [],
      serviceName: 'clonegate-webhook',
      webhookConfiguration: 'clonegate',
      stampKeys: 'files',
      stampKeyFile: 'c',
      stampKeyDuration: 7_776_000_000,
      stampKeyRetention: 15_552_000_000,
      stampKeyOverlap: 120_000,
      stampPublicKeysFile: 'e',
      identityPublicKeyFile: 'd',
      controllerUser: 'system:serviceaccount:gate:clonegate-controller',
      auditNamespace: 'gate',
      mode: 'enforce',
      quota: 'warn',
      warnSourceInUse: true,
      eventsDenied: true,
      eventsAllowed: false,
      eventsShadow: true,
      eventsInTargetNamespace: true,
      eventsInSourceNamespace: false,
      drain: 5000,
    });
  });

  test('are read from flags before variables, in both forms of a flag', () => {
    const settings = parseSettings(
      'controller',
      ['--workers', '8', '--lease-duration=1m30s', '--same-storage-class', ...controllerFiles],
      { CLONEGATE_WORKERS: '2', CLONEGATE_RETRY_PERIOD: '500ms', CLONEGATE_LEASE_NAME: '' },
      machine,
    );
    expect(settings).toMatchObject({
      workers: 8,
      leaseDuration: 90_000,
      retryPeriod: 500,
      sameStorageClass: true,
      leaseName: 'clonegate-controller',
    });
  });

  test('take a flag of truth as false when it says so', () => {
    const settings = parseSettings('controller', ['--same-storage-class=false', ...controllerFiles], {}, machine);
    expect(settings.sameStorageClass).toBe(false);
  });

  test('name every fault at once: the flag, the value and what is allowed', () => {
    const faults = faultsOf(
      ['--workers=0', '--lease-duration=15', '--colour=red', '--log-level=loud', 'extra', '--ops-port'],
      { CLONEGATE_NAMESPACE: 'No Such' },
    );
    expect(faults).toEqual([
      expect.stringMatching(/^unknown flag --colour; known are .*--workers/u),
      'unexpected argument "extra"',
      '--ops-port needs a value: whole number from 0 to 65535',
      '--log-level is "loud"; allowed is trace, debug, info, warn, error, fatal, silent',
      'CLONEGATE_NAMESPACE is "No Such"; allowed is name of a namespace',
      '--workers is "0"; allowed is whole number from 1 to 64',
      '--lease-duration is "15"; allowed is duration such as 15s or 1m30s, at least 1s',
      '--stamp-public-keys-file (or CLONEGATE_STAMP_PUBLIC_KEYS_FILE) is required with --stamp-keys=files: file',
      '--identity-key-file (or CLONEGATE_IDENTITY_KEY_FILE) is required with --stamp-keys=files: file',
    ]);
  });

  test('take the names of namespaces that are served', () => {
    const settings = parseSettings('controller', ['--namespaces=golden, tenant-a', ...controllerFiles], {}, machine);
    expect(settings.namespaces).toEqual(['golden', 'tenant-a']);
    const { namespaces } = parseSettings('controller', controllerFiles, { CLONEGATE_NAMESPACES: 'x' }, machine);
    expect(namespaces).toEqual(['x']);
  });

  // None at all would be all of them, and hardly what somebody meant who gave the flag.
  test.each(['', ',', 'a,', 'a,,b', 'a,b,a', 'Tenant', 'a.b', 'a b', '*', '-a', 'a'.repeat(64)])(
    'refuse %j as the namespaces that are served',
    (given) => {
      expect(faultsOf([`--namespaces=${given}`, ...controllerFiles])).toEqual([
        `--namespaces is ${JSON.stringify(given)}; allowed is names of namespaces, each once, separated by commas`,
      ]);
    },
  );

  test('take a following flag for a forgotten value', () => {
    expect(faultsOf(['--lease-name', '--workers=3', ...controllerFiles])).toEqual(['--lease-name needs a value: text']);
  });

  test('of one program are unknown to the other', () => {
    expect(faultsOf(['--tls-key-file=a', ...controllerFiles])).toEqual([
      expect.stringContaining('unknown flag --tls-key-file'),
    ]);
  });

  test.each([
    ['10s', '10s', '--renew-deadline must be shorter than --lease-duration'],
    ['15s', '2s', '--retry-period must be shorter than --renew-deadline'],
  ])('must fit together: lease %s with renewal %s', (lease, renew, message) => {
    const faults = faultsOf([`--lease-duration=${lease}`, `--renew-deadline=${renew}`, ...controllerFiles]);
    expect(faults).toEqual([expect.stringContaining(message)]);
  });

  test('do not mistake the variables that Kubernetes makes for a Service named clonegate', () => {
    expect(faultsOf(controllerFiles, { CLONEGATE_OPS_PORT: 'tcp://10.0.0.1:443' })).toEqual([]);
  });

  test.each([
    ['1h', 3_600_000],
    ['1.5s', 1500],
    ['1m250ms', 60_250],
  ])('read the duration %s', (text, expected) => {
    const settings = parseSettings(
      'controller',
      [`--lease-duration=${text}`, '--renew-deadline=1s', '--retry-period=100ms', ...controllerFiles],
      {},
      machine,
    );
    expect(settings.leaseDuration).toBe(expected);
  });

  test.each(['', '5', '-5s', '5 s', '1e3s', '999999h', 's', '0s'])('refuse the duration %j', (text) => {
    expect(faultsOf([`--lease-duration=${text}`, ...controllerFiles])).toEqual([
      expect.stringContaining('--lease-duration'),
    ]);
  });

  const copies = (...flags: string[]) => parseSettings('controller', [...flags, ...controllerFiles], {}, machine);

  test('read amounts, labels and taints as kubectl writes them', () => {
    const settings = copies(
      '--copy-limits=cpu=500m, memory=1Gi,example.com/gpu=1',
      '--copy-node-selector=disk=fast,node-role.kubernetes.io/worker=',
      '--copy-tolerations=storage=busy:NoSchedule,maintenance,gpu:NoExecute,empty=',
      '--copy-bandwidth=100M',
    );
    expect(settings.copyLimits).toEqual({ cpu: '500m', memory: '1Gi', 'example.com/gpu': '1' });
    expect(settings.copyNodeSelector).toEqual({ disk: 'fast', 'node-role.kubernetes.io/worker': '' });
    expect(settings.copyTolerations).toEqual([
      { key: 'storage', operator: 'Equal', value: 'busy', effect: 'NoSchedule' },
      { key: 'maintenance', operator: 'Exists' },
      { key: 'gpu', operator: 'Exists', effect: 'NoExecute' },
      { key: 'empty', operator: 'Equal', value: '' },
    ]);
    expect(settings.copyBandwidth).toBe(100_000_000n);
    expect(copies('--copy-tolerations=*').copyTolerations).toEqual([{ operator: 'Exists' }]);
    expect(copies().copyLimits).toEqual({ cpu: '2', memory: '512Mi' });
  });

  test.each([
    '--copy-limits=cpu',
    '--copy-limits=cpu=much',
    '--copy-limits=cpu=-1',
    '--copy-limits=-=1',
    '--copy-node-selector=disk=very fast',
    '--copy-node-selector==x',
    '--copy-tolerations=storage:Sometimes',
    '--copy-tolerations=:NoSchedule',
    '--copy-tolerations=a=b c',
    '--copy-bandwidth=fast',
    '--copy-bandwidth=-1',
  ])('refuse %s', (flag) => {
    expect(faultsOf([flag, ...controllerFiles])).toEqual([expect.stringContaining(flag.split('=', 1)[0] ?? '')]);
  });

  test('are required where another setting makes them so', () => {
    const keys = ['--stamp-key-file=c', '--stamp-public-keys-file=e', '--identity-public-key-file=d'];
    const parse = (...flags: string[]) => parseSettings('webhook', [...keys, ...flags], {}, machine);
    expect(() => parse('--tls-cert-file=a')).toThrow(
      '--tls-key-file (or CLONEGATE_TLS_KEY_FILE) is required with --certificates=files: file',
    );
    expect(parse('--certificates=selfSigned').tlsKeyFile).toBe('');
    expect(parseSettings('controller', ['--stamp-keys=managed'], {}, machine).identityKeyFile).toBe('');
    expect(parse('--certificates=selfSigned', '--certificate-names=a.example, 10.0.0.1').certificateNames).toEqual([
      'a.example',
      '10.0.0.1',
    ]);
    expect(() => parse('--certificates=selfSigned', '--ca-duration=500h')).toThrow('a third of --ca-duration');
  });

  test('cannot be changed afterwards', () => {
    expect(Object.isFrozen(parseSettings('controller', controllerFiles, {}, machine))).toBe(true);
  });
});

describe('the help text', () => {
  test.each(['webhook', 'controller'] as const)('of the %s lists its settings and no other', (program) => {
    const help = helpText(program);
    const listed = settingsTable.filter(({ flag }) => help.includes(`  ${flag} <`));
    expect(listed).toEqual(settingsTable.filter(({ programs }) => programs.includes(program)));
  });

  test('tells the default as one would write it', () => {
    expect(helpText('controller')).toContain('Default: 15s. (CLONEGATE_LEASE_DURATION)');
    expect(helpText('controller')).toContain('Required with --stamp-keys=files. (CLONEGATE_IDENTITY_KEY_FILE)');
    expect(helpText('webhook')).toContain('Required with --certificates=files. (CLONEGATE_TLS_KEY_FILE)');
  });
});
