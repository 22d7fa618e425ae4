import { describe, expect, test } from 'vitest';
import { parseOptions, UsageError } from '../../../support/csi/options.ts';

const good = {
  endpoint: '/run/csi.sock',
  name: 'reflink.csi.clonegate.test',
  pool: '/pool',
  node: 'node1',
  proto: '/csi.proto',
};

const argv = (options: Readonly<Record<string, string | undefined>>) =>
  Object.entries(options).flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}`, value]));

describe('the arguments', () => {
  test('become options', () => {
    expect(parseOptions(argv(good))).toEqual({
      endpoint: '/run/csi.sock',
      pool: '/pool',
      proto: '/csi.proto',
      faults: undefined,
      features: { name: good.name, node: 'node1', without: new Set(), topology: false },
    });
  });

  test('may take capabilities away, switch topology on and name a faults file', () => {
    const more = {
      ...good,
      endpoint: 'unix:///run/csi.sock',
      without: 'CLONE_VOLUME,EXPAND_VOLUME',
      faults: '/f.json',
    };
    expect(parseOptions([...argv(more), '--topology'])).toMatchObject({
      endpoint: '/run/csi.sock',
      faults: '/f.json',
      features: { without: new Set(['CLONE_VOLUME', 'EXPAND_VOLUME']), topology: true },
    });
  });

  test('may name the socket at which a kubelet learns of the driver, and then must name its protocol', () => {
    const told = ['--registration', '/kubelet/plugins_registry/reflink.sock'];
    expect(parseOptions([...argv(good), ...told, '--registration-proto', '/api.proto'])).toMatchObject({
      registration: { socket: '/kubelet/plugins_registry/reflink.sock', proto: '/api.proto' },
    });
    expect(() => parseOptions([...argv(good), ...told])).toThrow(new UsageError('--registration-proto is missing'));
  });

  test('may ask for help, whatever else is missing', () => {
    expect(parseOptions(['--help'])).toBe('help');
  });

  test.each(Object.keys(good))('must have --%s', (flag) => {
    expect(() => parseOptions(argv({ ...good, [flag]: undefined }))).toThrow(new UsageError(`--${flag} is missing`));
  });

  test.each([
    [['--nope'], /--nope/],
    [['stray'], /stray/],
    [['--endpoint', 'csi.sock'], /--endpoint csi\.sock: must be an absolute path/],
    [['--endpoint', `/${'x'.repeat(107)}`], /at most 107 bytes/],
    [['--registration', 'reg.sock'], /--registration reg\.sock: must be an absolute path/],
    [['--name', 'under_score'], /--name under_score: must be a domain name/],
    [['--name', 'x'.repeat(64)], /at most 63/],
    [['--without', 'CLONE'], /--without CLONE: can be CLONE_VOLUME, CREATE_DELETE_SNAPSHOT, EXPAND_VOLUME/],
  ])('are refused when they are %j', (wrong, message) => {
    const parse = () => parseOptions([...argv(good), ...wrong]);
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(message);
  });
});
