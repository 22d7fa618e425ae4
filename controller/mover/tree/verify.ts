import type { Order } from '../arguments.ts';
import type { Context } from '../context.ts';
import { CopyError } from '../failure.ts';
import { createReader } from '../reading.ts';
import { describeAll, withContent } from './describe.ts';
import { comparison } from './plan.ts';
import { createRecords } from './records.ts';
import { differs, type TreeSource } from './source.ts';
import type { Survey } from './survey.ts';

/**
 * Reads two trees again, side by side, and makes the digest of what they have in common. It is SHA-256 over one record for each entry, in
 * the order of the walk: type, mode (octal), uid, gid, bytes of a file, time of modification (whole seconds, as not every file system
 * keeps more), path, target of a symbolic link or first path of a file with several names, SHA-256 of a file's content; each field
 * ends with a NUL and each record with a line feed. ACLs and extended attributes are compared by rsync, since Node cannot read them,
 * and are not in the digest.
 */

/** @returns `sha256:…`. @throws CopyError when they differ. */
export async function verifyTree(
  { bandwidth }: Order,
  { bytes }: Survey,
  context: Context,
  source: TreeSource,
): Promise<string> {
  const { paths, clock, signal, meter } = context;
  const onDone = meter.begin('verifying', bytes);
  onDone(0n);
  const reader = createReader({ clock, signal, bandwidth, onDone });
  const records = createRecords(filesAtOnce);
  const copies = describeAll(paths.destination);
  try {
    for await (const entry of source.entries()) {
      signal.throwIfAborted();
      const copy = (await copies.next()).value;
      if (entry.text !== copy?.text) {
        await records.settle();
        throw differs(entry.path, `it is ${words(entry.text)}, the copy ${words(copy?.text)}`);
      }
      const { size } = copy;
      // A large one has all of the storage, and of the memory, for itself.
      if (size !== undefined && size > smallFile) await records.settle();
      const verified =
        size === undefined
          ? Promise.resolve('')
          : withContent(paths.destination, copy, async (file) => await entry.verify(file, reader));
      await records.add(entry.text, verified);
    }
    await records.settle();
  } finally {
    await records.abandon();
  }
  const more = (await copies.next()).value;
  if (more !== undefined) throw differs(more.path, 'only the copy has it');
  await compareAttributes(source, context);
  return `sha256:${records.digest()}`;
}

/** A tree may have millions of small files, and a storage that is far away takes its time for each: these are read several at a time. */
const smallFile = 65_536n;
const filesAtOnce = 8;

async function compareAttributes({ origin }: TreeSource, { tools, paths, user }: Context): Promise<void> {
  let left = '';
  await tools.run(comparison({ source: origin, destination: paths.destination, user }), {
    onOutput: (text) => {
      left = (left + text).slice(0, 1000);
    },
  });
  if (left !== '')
    throw new CopyError('CopyVerificationFailed', `rsync still finds differences: ${left.split('\n')[0]}`);
}

function words(description: string | undefined): string {
  if (description === undefined) return 'has nothing more';
  return JSON.stringify(Buffer.from(description, 'latin1').toString('utf8').split('\0').slice(0, -1).join(' '));
}
