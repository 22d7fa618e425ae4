import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from '../../image/bundle.ts';
import { data, programs } from '../../image/programs.ts';
import { copyProgram } from '../../shared/api/copy.ts';
import { checkout } from '../support/image/context.ts';
import type { CommandLine, PodSite } from '../support/mover.ts';

/** The program of copy pods as it is in the image: from its bundle, in the image's environment, and with the pod's flags for Node. */

export async function bundleInto(site: PodSite): Promise<void> {
  await bundle({ root: checkout, programs, data, to: appOf(site) });
}

/** @param line of the program as it lies in the repository. */
export function asInImage(site: PodSite, { args, env, ...line }: CommandLine): CommandLine {
  const flags = copyProgram.filter((argument) => argument.startsWith('--'));
  return {
    ...line,
    env: { ...environmentIn(readFileSync(join(checkout, 'Dockerfile'), 'utf8')), ...env },
    args: [...flags, join(appOf(site), 'copy.mjs'), ...args.slice(1)],
  };
}

/** What the last ENV of a Dockerfile says. @throws Error when there is none. */
function environmentIn(dockerfile: string): Readonly<Record<string, string>> {
  const said = [...dockerfile.matchAll(/^ENV ((?:.*\\\n)*.*)$/gmu)].at(-1)?.[1];
  if (said === undefined) throw new Error('the Dockerfile sets no environment');
  const pairs = [...said.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/gu)];
  return Object.fromEntries(pairs.map(([, name, quoted, plain]) => [name, quoted ?? plain]));
}

function appOf({ folder }: PodSite): string {
  return join(folder, 'app');
}
