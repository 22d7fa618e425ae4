import { join } from 'node:path';
import type { Order } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Offer } from '../peer/offer.ts';
import { createReader } from '../reading.ts';
import { describeAll, withContent } from './describe.ts';
import { daemon } from './plan.ts';
import { survey } from './survey.ts';

/** In the folder of the program: what rsync's daemon lets others do. */
const configuration = 'rsyncd.conf';

/**
 * Has rsync hand out the tree, by a process of its own for each connection.
 * @param folder that the program's files are in. @throws CopyError when there is something that cannot be copied.
 */
export async function offerTree(order: Order, context: Context, folder: string): Promise<Offer> {
  const { clock, signal, paths, tools, user } = context;
  const surveyed = await survey(paths.source, user, signal);
  const command = daemon({ source: paths.source, user, config: join(folder, configuration) });
  return {
    facts: { kind: 'tree', ...surveyed },
    // It is there as long as this is.
    over: new Promise<never>(() => undefined),
    relay: async (connection) => void (await tools.run(command, { connection })),
    content: async function* content() {
      const reader = createReader({ clock, signal, bandwidth: order.bandwidth, onDone: () => undefined });
      for await (const { path, text, size } of describeAll(paths.source)) {
        const read = async (): Promise<string> =>
          await withContent(
            paths.source,
            { path, size },
            async (file) => await reader.digest(file, size ?? 0n, 'source'),
          );
        yield { kind: 'entry', text, digest: size === undefined ? '' : await read() };
      }
    },
    close: async () => await Promise.resolve(),
  };
}
