import { join } from 'node:path';
import { bundle } from '../../image/bundle.ts';
import { data, programs } from '../../image/programs.ts';
import { copyProgram } from '../../shared/api/copy.ts';
import { checkout } from '../support/image/context.ts';
import type { CommandLine, PodSite } from '../support/mover.ts';

/** The program of copy pods as it is in the image: from its bundle, and with the pod's flags for Node. */

export async function bundleInto(site: PodSite): Promise<void> {
  await bundle({ root: checkout, programs, data, to: appOf(site) });
}

/** @param line of the program as it lies in the repository. */
export function asInImage(site: PodSite, { args, ...line }: CommandLine): CommandLine {
  const flags = copyProgram.filter((argument) => argument.startsWith('--'));
  return {
    ...line,
    args: [...flags, join(appOf(site), 'copy.mjs'), ...args.slice(1)],
  };
}

function appOf({ folder }: PodSite): string {
  return join(folder, 'app');
}
