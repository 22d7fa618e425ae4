import { readFileSync } from 'node:fs';
import type { Order } from '../arguments.ts';
import type { Context, Copied } from '../context.ts';
import { bulkCopy, type Found, flush, progressIn, requireComplete, sync } from './plan.ts';
import type { TreeSource } from './source.ts';
import type { Survey } from './survey.ts';
import { verifyTree } from './verify.ts';
import { namesIn } from './walk.ts';

/** Copies a tree of files into a folder. */

/** @throws CopyError when it fails; what is in the destination by then is made use of by the next attempt. */
export async function copyTree(order: Order, context: Context, source: TreeSource): Promise<Copied> {
  const { paths, log, tools } = context;
  const surveyed = await source.survey();
  const left = (await namesIn(paths.destination, '')).length > 0;
  log.info({ ...shownSurvey(surveyed), resumed: left }, 'Copying a tree');
  const byCopy = source.folder !== undefined && !left && order.bandwidth === 0n;
  if (byCopy) await fill(order, surveyed, context, source.folder);
  await complete(order, byCopy ? 'copied' : left ? 'left' : 'nothing', surveyed, context, source);
  await tools.run(flush(paths.destination));
  if (!order.verify) return { bytes: surveyed.bytes };
  return { bytes: surveyed.bytes, digest: await verifyTree(order, surveyed, context, source) };
}

function shownSurvey({ entries, bytes, allocated }: Survey): Readonly<Record<string, unknown>> {
  return { entries, bytes: String(bytes), allocated: String(allocated) };
}

async function fill(
  order: Order,
  { bytes, allocated }: Survey,
  { paths, tools, meter }: Context,
  folder: string,
): Promise<void> {
  const toWrite = order.preallocation ? bytes : allocated;
  const done = meter.begin('copying', bytes);
  done(0n);
  const names = (await namesIn(folder, '')).map((name) => Buffer.from(`${name}\0`, 'latin1'));
  await tools.run(bulkCopy(paths.destination, order), {
    folder,
    input: names,
    // cp says nothing; the kernel counts what it writes, and holes that stay holes are not written.
    onTick: (pid) => done(toWrite === 0n ? 0n : (bytes * writtenBy(pid)) / toWrite),
  });
}

/** Bytes that a process, and those that it has started, have written. */
function writtenBy(pid: number): bigint {
  const own = /^wchar: (\d+)$/mu.exec(read(`/proc/${pid}/io`))?.[1] ?? '0';
  const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean);
  return children.reduce((sum, child) => sum + writtenBy(Number(child)), BigInt(own));
}

/** A process that has ended meanwhile has no files any more. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function complete(
  order: Order,
  found: Found,
  { bytes: total, allocated }: Survey,
  { paths: { destination }, tools, meter, user }: Context,
  { origin, folder }: TreeSource,
): Promise<void> {
  const holesFromAfar = folder === undefined && allocated < total;
  const done = meter.begin('copying', total);
  // After cp nothing is left but names and attributes, and what rsync counts begins anew.
  let bytes = found === 'copied' ? total : 0n;
  done(bytes);
  let skipped = '';
  const said = await tools.run(sync({ source: origin, destination, found, holesFromAfar, user, order }), {
    onOutput: (text) => {
      if (found !== 'copied') bytes = progressIn(text) ?? bytes;
      if (text.includes('skipping')) skipped = text;
    },
    onTick: () => done(bytes),
  });
  requireComplete(`${said}\n${skipped}`);
}
