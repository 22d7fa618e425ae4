import { readFile } from 'node:fs/promises';

export interface Mount {
  readonly target: string;
  /** The device for file systems on one, `/dev/loop0` for example. */
  readonly source: string;
  readonly fsType: string;
  readonly readonly: boolean;
}

/** What is mounted in this mount namespace, in the order of mounting: what is on top of another comes later. */
export async function readMounts(): Promise<readonly Mount[]> {
  return parseMounts(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** Whether something is mounted exactly here. */
export async function isMounted(target: string): Promise<boolean> {
  return (await readMounts()).some((mount) => mount.target === target);
}

/** Parses the form that proc_pid_mountinfo(5) describes: six fixed fields, optional ones, a dash, three more. */
export function parseMounts(text: string): readonly Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ', 2);
      const [, , , , target = '', flags = ''] = before.split(' ');
      const [fsType = '', source = ''] = after.split(' ');
      return { target: unescape(target), source: unescape(source), fsType, readonly: flags.split(',').includes('ro') };
    });
}

/** Blank, tab, newline and backslash stand in the table as a backslash and three octal digits. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
