import { describe, expect, test } from 'vitest';
import { askRight, verify } from '../../../controller/authorize.ts';
import type { DataVolume } from '../../../shared/api/datavolume.ts';
import { annotations } from '../../../shared/api/names.ts';
import {
  type KubeObject,
  keyOf,
  type ObjectRef,
  type Stored,
  type SubjectAccessReview,
} from '../../../shared/api/objects.ts';
import { fallenBack, standingOf } from '../../../shared/decision/fallback.ts';
import { ApiError } from '../../../shared/kube/errors.ts';
import { claims, namespaces, type Resource, volumeSnapshots } from '../../../shared/kube/resource.ts';
import { type Question, strictPolicy } from '../../../shared/trust/access.ts';
import { generateStampKeys, loadVerifier } from '../../../shared/trust/keys.ts';
import { stampReader } from '../../../shared/trust/stamp.ts';
import { type CloneOptions, stampedClone } from '../../support/build/clones.ts';
import { namespace, source, valid } from './world.ts';

const keys = await generateStampKeys();
const readStamp = stampReader(await loadVerifier(keys));
const now = Date.parse('2026-05-06T07:08:09Z');

async function stored(options: Partial<CloneOptions> = {}): Promise<Stored<DataVolume>> {
  const made = await stampedClone(keys, { namespace, name: 'target', source: 'source', now, ...options });
  const metadata = {
    ...made.metadata,
    name: 'target',
    uid: 'u',
    resourceVersion: '1',
    creationTimestamp: new Date(now).toISOString(),
  };
  return { ...made, metadata };
}

function annotated(volume: Stored<DataVolume>, more: Readonly<Record<string, string>>): Stored<DataVolume> {
  return { ...volume, metadata: { ...volume.metadata, annotations: { ...volume.metadata.annotations, ...more } } };
}

describe('a stamp', () => {
  test('that belongs to its DataVolume tells what is cloned and for whom', async () => {
    const volume = await stored({ sourceUid: 'source-uid', user: 'jane', groups: ['dev'] });
    const user = { username: 'jane', groups: ['dev', 'system:authenticated'], extra: {} };
    expect(await verify(readStamp, volume)).toStrictEqual({ valid: true, source, user });
  });

  test('of a key that is not known is not refused while nobody can see whether that is a new one', async () => {
    const others = await loadVerifier(await generateStampKeys());
    const stale = (renew: () => Promise<void>) => stampReader({ ...others, renew });
    const volume = await stored();
    const unreadable = async () => await Promise.reject(new Error('the API server does not answer'));
    await expect(verify(stale(unreadable), volume)).rejects.toThrow('new keys cannot be read');
    expect(
      await verify(
        stale(async () => undefined),
        volume,
      ),
    ).toMatchObject({ valid: false });
  });

  test('tells the uid of its user, by which an authorizer may go', async () => {
    const volume = await stored({ user: 'jane', userUid: 'uid-of-jane' });

    expect(await verify(readStamp, volume)).toMatchObject({ user: { username: 'jane', uid: 'uid-of-jane' } });
  });

  test('still belongs to its DataVolume when a strategy has failed and the next one is tried', async () => {
    const volume = await stored({
      candidates: [
        { strategy: 'csi-clone', reason: 'Preferred', message: '' },
        { strategy: 'copy', reason: 'NotPreferred', message: '' },
      ],
    });
    const standing = standingOf(volume.metadata.annotations);
    const decision = volume.metadata.annotations?.[annotations.decision];
    if (standing === undefined || decision === undefined) throw new Error('a decision was expected');
    const fallback = { from: 'csi-clone', to: 'copy', message: 'it failed' } as const;

    const fallen = annotated(volume, fallenBack(standing, decision, fallback));
    expect(fallen.metadata.annotations).toHaveProperty([annotations.cloneType], 'copy');
    expect(await verify(readStamp, fallen)).toMatchObject({ valid: true });
  });

  test('speaks for the source that a DataSource led to', async () => {
    const volume = await stored();
    const { source: _source, ...spec } = volume.spec;
    const sourceRef = { kind: 'DataSource', name: 'golden' };

    // Stamped without a DataSource: the stamp is of another clone.
    expect(await verify(readStamp, { ...volume, spec: { ...spec, sourceRef } })).toMatchObject({ valid: false });
  });

  const wrong: readonly [string, (volume: Stored<DataVolume>) => Stored<DataVolume>, RegExp][] = [
    [
      'that is missing',
      (volume) => ({ ...volume, metadata: { ...volume.metadata, annotations: {} } }),
      /carries no authorization stamp/,
    ],
    ['that is no stamp', (volume) => annotated(volume, { [annotations.stamp]: 'a.b.c' }), /not valid/],
    [
      'for another source',
      (volume) => ({ ...volume, spec: { ...volume.spec, source: { pvc: { namespace, name: 'secrets' } } } }),
      /made for the source/,
    ],
    [
      'for another name',
      (volume) => ({ ...volume, metadata: { ...volume.metadata, name: 'other' } }),
      /named "target"/,
    ],
    [
      'for another namespace',
      (volume) => ({ ...volume, metadata: { ...volume.metadata, namespace: 'other' } }),
      /namespace "tenant"/,
    ],
    [
      'of another time',
      (volume) => ({
        ...volume,
        metadata: { ...volume.metadata, creationTimestamp: new Date(now + 61_000).toISOString() },
      }),
      /created within 60 seconds/,
    ],
    ['for another decision', (volume) => annotated(volume, { [annotations.cloneType]: 'copy' }), /another decision/],
  ];

  test.each(wrong)('%s is not valid', async (_name, change, message) => {
    const verification = await verify(readStamp, change(await stored()));

    expect(verification).toMatchObject({ valid: false, message: expect.stringMatching(message) as string });
  });

  test('of unknown keys is not valid', async () => {
    const other = await loadVerifier(await generateStampKeys());

    expect(await verify(stampReader(other), await stored())).toMatchObject({ valid: false });
  });

  test('whose identity cannot be read is a fault of the program, not of the DataVolume', async () => {
    const publicOnly = await loadVerifier({ stampPublicKeys: keys.stampPublicKeys });

    await expect(verify(stampReader(publicOnly), await stored())).rejects.toThrow(/cannot be read without its key/);
  });
});

/** An API server that answers every review the same way, and has these objects besides. */
function reviewer(
  answer: SubjectAccessReview['status'] | Error,
  objects: readonly [Resource<KubeObject>, KubeObject][] = [],
) {
  const asked: KubeObject[] = [];
  const review = async <T extends KubeObject>(_kind: unknown, object: T): Promise<T> => {
    asked.push(object);
    if (answer instanceof Error) throw answer;
    return { ...object, status: answer };
  };
  const get = async <T extends KubeObject>(kind: Resource<T>, ref: ObjectRef): Promise<Stored<T>> => {
    const found = objects.find(
      ([its, { metadata }]) => its === kind && keyOf(ref) === keyOf({ name: '', ...metadata }),
    );
    if (found === undefined) throw new ApiError(`${ref.name} not found`, { code: 404, reason: 'NotFound' });
    return found[1] as Stored<T>;
  };
  return { client: { review, get }, asked };
}

describe('the right', () => {
  const stamp = valid;
  if (!stamp.valid) throw new Error('a valid stamp was expected');
  const question: Question = { user: stamp.user, source: stamp.source, into: 'elsewhere' };

  test('is asked for the stamped user and source', async () => {
    const { client, asked } = reviewer({ allowed: true });

    expect(await askRight(client, question, strictPolicy)).toEqual({ answer: 'allowed' });
    expect(asked).toMatchObject([
      {
        spec: {
          user: 'jane',
          groups: ['dev'],
          resourceAttributes: {
            namespace,
            name: 'source',
            resource: 'datavolumes',
            subresource: 'source',
            verb: 'create',
          },
        },
      },
    ]);
  });

  test('that is no more is told without the words of the authorizer', async () => {
    const { client } = reviewer({ allowed: false, reason: 'RoleBinding secret/plan says so' });

    expect(await askRight(client, question, strictPolicy)).toEqual({
      answer: 'denied',
      reason: 'CloneAuthorizationRevoked',
      message: 'user "jane" may not create datavolumes/source for PersistentVolumeClaim tenant/source any more',
    });
  });

  test('that nobody can tell is neither a yes nor a no', async () => {
    const { client } = reviewer(new ApiError('connection refused', { code: 0, reason: 'Unreachable' }));

    expect(await askRight(client, question, strictPolicy)).toEqual({
      answer: 'failed',
      message:
        'it could not be found out whether user "jane" may create datavolumes/source for PersistentVolumeClaim tenant/source: connection refused',
    });
  });

  test('is not given by an answer that could not be evaluated', async () => {
    const { client } = reviewer({ allowed: false, evaluationError: 'webhook down' });

    expect(await askRight(client, question, strictPolicy)).toMatchObject({ answer: 'failed' });
  });

  test('is not given by a fault of our own either', async () => {
    const { client } = reviewer(new TypeError('a mistake'));

    await expect(askRight(client, question, strictPolicy)).rejects.toThrow('a mistake');
  });

  test('is asked for by the same rules as at admission', async () => {
    const { client, asked } = reviewer({ allowed: false });
    const own = { ...question, into: namespace };

    expect(await askRight(client, own, { ...strictPolicy, sameNamespace: 'skip' })).toEqual({ answer: 'allowed' });
    expect(asked).toEqual([]);
    expect(await askRight(client, own, { ...strictPolicy, podCreatorsMayClone: true })).toMatchObject({
      answer: 'denied',
    });
    expect(asked).toHaveLength(2);
  });

  const metadata = { annotations: { [annotations.clone]: 'deny' } };

  test.each<[string, Resource<KubeObject>, KubeObject, string]>([
    [
      'the source',
      claims,
      { metadata: { ...metadata, namespace, name: 'source' } },
      'PersistentVolumeClaim tenant/source',
    ],
    ['its namespace', namespaces, { metadata: { ...metadata, name: namespace } }, 'namespace tenant'],
  ])('is worth nothing against a veto of %s', async (_, resource, object, by) => {
    const { client } = reviewer({ allowed: true }, [[resource, object]]);

    expect(await askRight(client, question, strictPolicy)).toEqual({
      answer: 'denied',
      reason: 'CloneVetoed',
      message: `${by} lets nobody clone (annotation clonegate.io/clone)`,
    });
  });

  test('is worth nothing against a veto of a snapshot, and a claim of its name has no say', async () => {
    const snapshot = { ...question, source: { kind: 'VolumeSnapshot', namespace, name: 'source' } as const };
    const object = { metadata: { ...metadata, namespace, name: 'source' } };
    const ask = async (kind: Resource<KubeObject>) =>
      await askRight(reviewer({ allowed: true }, [[kind, object]]).client, snapshot, strictPolicy);

    expect(await ask(volumeSnapshots)).toMatchObject({ answer: 'denied', reason: 'CloneVetoed' });
    expect(await ask(claims)).toEqual({ answer: 'allowed' });
  });

  test('is not there when the veto could not be looked for', async () => {
    const { client } = reviewer({ allowed: true });
    const get = async (): Promise<never> => {
      throw new ApiError('connection refused', { code: 0, reason: 'Unreachable' });
    };

    expect(await askRight({ ...client, get }, question, strictPolicy)).toMatchObject({ answer: 'failed' });
  });
});
