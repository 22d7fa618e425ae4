import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../support/csi/command.ts';

/** A tree with all that trees have, and what programs that have nothing to do with ours say of one. */

/** Makes it in an empty folder. Names are given to a shell, since Node's strings are not bytes. */
export async function plant(folder: string): Promise<void> {
  await mkdir(join(folder, 'a/deep'), { recursive: true });
  await writeFile(join(folder, 'a/one'), 'one name of two');
  await writeFile(join(folder, 'a/deep/big'), Buffer.alloc(3_000_001, 'abcdefg'));
  await writeFile(join(folder, 'empty'), '');
  await run('sh', '-ec', planting, 'sh', folder);
}

const planting = `
cd "$1"
ln a/one a/deep/two
ln a/one first
printf x > "$(printf 'new\\nline')"
printf x > "$(printf 'bytes-\\377\\376')"
printf x > "$(printf 'a/quotes "\\047 and blanks ')"
printf x > -n
mkdir "$(printf 'folder\\n\\200')"
printf y > "$(printf 'folder\\n\\200')/inside"
ln -s /etc/shadow absolute
ln -s ../../../../../../etc outside
ln -s a/one inside
ln -s nowhere "$(printf 'dangling\\n')"
mkfifo pipe
truncate -s 64M holes
printf data | dd of=holes bs=1 seek=20000000 conv=notrunc status=none
head -c 65536 /dev/zero > zeros
chown 1000:1001 a a/one absolute
chown 107:107 a/deep/big
chown -h 3:4 outside
chmod 4755 a/one
chmod 2770 a
chmod 1777 a/deep
chmod 0 empty
setfattr -n user.note -v "with blanks" a/deep/big
setfattr -n user.folder -v f a/deep
setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 zeros
setfacl -m u:4321:rw a/deep/big
setfacl -d -m g:99:rx a/deep
mkdir -p lost+found
printf scrap > lost+found/#12
touch -h -d '2001-02-03 04:05:06.123456789' a/one absolute outside pipe
touch -d '2038-01-20 00:00:00.5' holes
touch -d '1969-12-31 23:00:00.25' zeros
touch -d '2011-11-11 11:11:11.111111111' a/deep a .
`;

/**
 * Types, modes, owners, sizes, times to the nanosecond, targets, which names are one file, extended attributes, ACLs and the content: a text
 * in which the first line that differs tells what does.
 */
export async function portrait(folder: string): Promise<string> {
  return await run('sh', '-ec', painting, 'sh', folder);
}

const painting = `
cd "$1"
export LC_ALL=C
list() { find . -path ./lost+found -prune -o "$@"; }
list -type d -printf '%y %m %U %G %T@ %p\\0' | sort -z | cat -v
list ! -type d -printf '%y %m %U %G %s %n %T@ %l %p\\0' | sort -z | cat -v
list -type f -links +1 -print0 | sort -z | xargs -0 -r -n 1 sh -c 'find . -samefile "$0" | sort | tr "\\n" " "; echo'
list -type f -print0 | sort -z | xargs -0 -r sha256sum
list ! -type l -print0 | sort -z | xargs -0 -r getfattr -h -d -m '^(user|security)[.]' -e hex
list ! -type l -print0 | sort -z | xargs -0 -r getfacl -n -p
`;

/** Blocks of 512 bytes that a file takes. */
export async function blocksOf(path: string): Promise<number> {
  return Number(await run('stat', '-c', '%b', path));
}
