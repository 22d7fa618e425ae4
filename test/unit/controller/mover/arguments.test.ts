import { describe, expect, test } from 'vitest';
import { helpText, parseOrder } from '../../../../controller/mover/arguments.ts';
import { copyArguments } from '../../../../shared/api/copy.ts';
import { SettingsError } from '../../../../shared/process/values.ts';

const least = ['--content=kubevirt', '--source-mode=Block', '--destination-mode=Filesystem'];

function faultsOf(...argv: readonly string[]): readonly string[] {
  try {
    parseOrder(argv);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('the arguments of a copy', () => {
  test('have fallbacks where nothing is to be decided', () => {
    expect(parseOrder(least)).toEqual({
      role: 'copy',
      peer: '',
      content: 'kubevirt',
      sourceMode: 'Block',
      destinationMode: 'Filesystem',
      preallocation: false,
      verify: false,
      bandwidth: 0n,
      imageSize: 0n,
    });
  });

  test('hold sizes that JSON cannot', () => {
    const order = parseOrder([...least, '--image-size=9223372036854775807', '--bandwidth=9007199254740993']);
    expect(order).toMatchObject({ imageSize: 9_223_372_036_854_775_807n, bandwidth: 9_007_199_254_740_993n });
  });

  test('are told off all at once', () => {
    expect(
      faultsOf('--content=disk', '--source-mode=Block', '--verify=yes', '--image-size=-1', '--fast', 'more'),
    ).toEqual([
      'unknown argument --fast',
      'unexpected argument "more"',
      '--content is "disk"; allowed is kubevirt, archive',
      '--destination-mode is required: Filesystem, Block',
      '--verify is "yes"; allowed is true or false',
      '--image-size is "-1"; allowed is number of bytes',
    ]);
  });

  test.each(['9223372036854775808', '1e3', '', ' 1', '1.5'])('do not take %j for a number of bytes', (given) => {
    expect(faultsOf(...least, `--bandwidth=${given}`)).toHaveLength(1);
  });

  test('are not given by a name alone', () => {
    expect(faultsOf(...least, '--verify')).toEqual(['--verify is ""; allowed is true or false']);
  });

  test('want the address of the export pod for an import, and for nothing else', () => {
    const given = ['--content=kubevirt', '--source-mode=Block', '--destination-mode=Block'];
    expect(parseOrder([...given, '--role=import', '--peer=fd00::7'])).toMatchObject({
      role: 'import',
      peer: 'fd00::7',
    });
    expect(faultsOf(...given, '--role=import')).toEqual(['--peer is required for --role=import: IP address']);
    for (const role of ['copy', 'export'])
      expect(faultsOf(...given, `--role=${role}`, '--peer=10.0.0.7')).toEqual([
        `--peer is for --role=import only, and the role is ${role}`,
      ]);
  });

  test.each(['localhost', '10.0.0', '10.0.0.7:10810', 'fe80::1%eth0', '10.0.0.7,server.port=1'])(
    'do not take %j for an IP address',
    (peer) => {
      expect(faultsOf('--role=import', '--content=kubevirt', '--destination-mode=Block', `--peer=${peer}`)).toEqual([
        `--peer is ${JSON.stringify(peer)}; allowed is IP address`,
      ]);
    },
  );

  test('need not tell of a volume that the pod does not have', () => {
    expect(faultsOf('--role=export', '--content=kubevirt', '--source-mode=Block')).toEqual([]);
    expect(faultsOf('--role=import', '--peer=::1', '--content=kubevirt', '--destination-mode=Block')).toEqual([]);
    expect(faultsOf('--role=export', '--content=kubevirt', '--destination-mode=Block')).toHaveLength(1);
    expect(faultsOf('--role=import', '--peer=::1', '--content=kubevirt', '--source-mode=Block')).toHaveLength(1);
  });

  test('are read all the same when they are of such a volume', () => {
    const image = ['--content=kubevirt', '--source-mode=Block', '--destination-mode=Block'];
    expect(faultsOf(...image, '--role=export', '--destination-mode=Tape')).toHaveLength(1);
    expect(faultsOf(...image, '--role=import', '--peer=::1', '--source-mode=Tape')).toHaveLength(1);
  });

  test('have to be there where no role can do without', () => {
    expect(faultsOf('--source-mode=Block', '--destination-mode=Block')).toEqual([
      '--content is required: kubevirt, archive',
    ]);
  });

  test('want folders for a tree', () => {
    const archive = '--content=archive';
    expect(faultsOf(...least, archive)).toHaveLength(1);
    expect(faultsOf(archive, '--source-mode=Filesystem', '--destination-mode=Block')).toHaveLength(1);
    expect(faultsOf(archive, '--source-mode=Filesystem', '--destination-mode=Filesystem')).toEqual([]);
    expect(faultsOf(archive, '--role=export', '--source-mode=Block')).toHaveLength(1);
    expect(faultsOf(archive, '--role=import', '--peer=::1', '--destination-mode=Block')).toHaveLength(1);
    // Of the volumes that the pod has.
    const [source, destination] = ['--source-mode=Filesystem', '--destination-mode=Filesystem'];
    expect(faultsOf(archive, '--role=export', source, '--destination-mode=Block')).toEqual([]);
    expect(faultsOf(archive, '--role=import', '--peer=::1', '--source-mode=Block', destination)).toEqual([]);
  });

  test.each([
    ['content', 'Required.'],
    ['source-mode', 'Required, but for --role=import.'],
    ['destination-mode', 'Required, but for --role=export.'],
    ['role', 'Default: copy.'],
    ['peer', 'Default: none.'],
  ])('are said to be needed or not: --%s is %s', (name, needed) => {
    const [, doc] = new RegExp(`^ {2}--${name}=<.*>\\n +(.*)$`, 'mu').exec(helpText()) ?? [];
    expect(doc?.endsWith(` ${needed}`)).toBe(true);
  });

  test('stand in the help text, every one', () => {
    expect([...helpText().matchAll(/^ {2}--([a-z-]+)=</gmu)].map(([, name]) => name)).toEqual([...copyArguments]);
  });
});
