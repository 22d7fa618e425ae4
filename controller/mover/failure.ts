import type { CopyFailure, CopyResult } from '../../shared/api/copy.ts';

/** Why a copy fails, made from what the kernel and the tools say. Pure. */

interface Details {
  readonly retry?: boolean;
  readonly offset?: bigint | undefined;
  readonly side?: CopySide;
  readonly cause?: unknown;
}

/** `source` where it is known that nothing else failed. */
type CopySide = 'source' | undefined;

/** A copy that failed, in the words of its result. */
export class CopyError extends Error {
  override readonly name = 'CopyError';
  readonly reason: CopyFailure;
  readonly retry: boolean;
  readonly offset: bigint | undefined;
  readonly side: CopySide;

  /** @param details `retry` is what is usual for the reason when absent. */
  constructor(reason: CopyFailure, message: string, { retry = retries[reason], offset, side, cause }: Details = {}) {
    super(sentence(message), { cause });
    this.reason = reason;
    this.retry = retry;
    this.offset = offset;
    this.side = side;
  }
}

/** Whether trying again could help, where nothing more is known. */
const retries: Readonly<Record<CopyFailure, boolean>> = {
  // Nobody else writes to the destination, so nothing there will go away.
  CopyNoSpace: false,
  CopyIOError: true,
  CopyPermissionDenied: false,
  CopyContentInvalid: false,
  CopyTargetTooSmall: false,
  CopyVerificationFailed: true,
  CopyPeerUnreachable: true,
  CopyToolFailed: true,
};

/** errno(3) → what glibc's strerror says, which is how tools say it, and what it means for a copy. */
const errors: readonly (readonly [code: string, words: string, reason: CopyFailure, retry?: boolean])[] = [
  ['ENOSPC', 'No space left on device', 'CopyNoSpace'],
  ['EDQUOT', 'Disk quota exceeded', 'CopyNoSpace'],
  ['EFBIG', 'File too large', 'CopyTargetTooSmall'],
  ['EIO', 'Input/output error', 'CopyIOError'],
  // What block devices give for a medium error.
  ['ENODATA', 'No data available', 'CopyIOError'],
  ['EREMOTEIO', 'Remote I/O error', 'CopyIOError'],
  ['ESTALE', 'Stale file handle', 'CopyIOError'],
  ['ENXIO', 'No such device or address', 'CopyIOError'],
  ['ENODEV', 'No such device', 'CopyIOError'],
  ['ETIMEDOUT', 'Connection timed out', 'CopyIOError'],
  ['ENOTCONN', 'Transport endpoint is not connected', 'CopyIOError'],
  ['EUCLEAN', 'Structure needs cleaning', 'CopyIOError'],
  ['EACCES', 'Permission denied', 'CopyPermissionDenied'],
  ['EPERM', 'Operation not permitted', 'CopyPermissionDenied'],
  ['EROFS', 'Read-only file system', 'CopyPermissionDenied'],
  // An ACL or an extended attribute that the destination's file system does not have.
  ['EOPNOTSUPP', 'Operation not supported', 'CopyToolFailed', false],
];

/**
 * From a failed system call of our own. @param doing what was being done, such as `reading /source/disk.img`. @param side that it was done to,
 * where that is the source.
 */
export function fromErrno(error: unknown, doing: string, side?: CopySide): CopyError {
  if (error instanceof CopyError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = errors.find(([name]) => name === code);
  const words = known?.[1] ?? (error instanceof Error ? error.message : String(error));
  return new CopyError(known?.[2] ?? 'CopyToolFailed', `${doing}: ${words}`, {
    ...retryOf(known?.[3]),
    side,
    cause: error,
  });
}

/** What is usual for the reason when nothing is said. */
function retryOf(retry: boolean | undefined): Details {
  return retry === undefined ? {} : { retry };
}

/** How a tool ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  /** What it said on standard error, its middle left out when it was much. */
  readonly said: string;
}

/** From a tool that ended badly: the first of its lines that names an error of the kernel tells the reason. */
export function fromEnding(program: string, { code, signal, said }: Ending): CopyError {
  const lines = said.split(/[\r\n]+/u).filter((line) => line.trim() !== '');
  const named = lines.flatMap((line) =>
    errors.filter(([, words]) => says(line, words)).map(([, , reason, retry]) => ({ line, reason, retry })),
  );
  const [found] = named;
  if (found !== undefined) {
    const where = found.reason === 'CopyIOError' ? { offset: offsetIn(found.line), side: sideOf(named) } : {};
    return new CopyError(found.reason, `${program} said: ${found.line}`, { ...retryOf(found.retry), ...where });
  }
  if (signal !== null) {
    const why = signal === 'SIGKILL' ? ', as the kernel does to a process when memory runs out' : '';
    return new CopyError('CopyToolFailed', `${program} was ended by ${signal}${why}`);
  }
  const words = lines.length === 0 ? 'said nothing' : `said: ${lines.join(' ')}`;
  return new CopyError('CopyToolFailed', `${program} ended with exit code ${code} and ${words}`);
}

/** At the end and behind a colon, where programs put it: a file may be called anything. rsync adds the number. */
function says(line: string, words: string): boolean {
  return line.replace(/(?: \(\d+\))?\s*$/u, '').endsWith(`: ${words}`);
}

function sideOf(named: readonly { readonly line: string }[]): CopySide {
  return named.every(({ line }) => ofSource.test(line)) ? 'source' : undefined;
}

/** How cp and rsync begin when they tell of what they read; names come later. */
const ofSource = /^(?:rsync: \[sender\] |cp: (?:error reading|cannot access) |cp: cannot open .* for reading: )/u;

/** Where qemu-img failed. */
function offsetIn(line: string): bigint | undefined {
  const found = /error while (?:reading|writing) at byte (\d{1,19}):/u.exec(line)?.[1];
  return found === undefined ? undefined : BigInt(found);
}

/** How long a message may be; cut, it still says what and why, since the tools put names before reasons and we the other way round. */
const longestSentence = 1000;

/** One line without control characters, of what may hold anything. */
export function sentence(text: string): string {
  const line = text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  return line.length <= longestSentence ? line : `${line.slice(0, longestSentence - 1).toWellFormed()}…`;
}

/** The result of a copy that ended with this error. */
export function failed(error: unknown): CopyResult & { readonly outcome: 'failed' } {
  const { reason, message, retry, offset, side } = fromErrno(error, 'copying');
  const at = offset === undefined ? {} : { offset: String(offset) };
  return { outcome: 'failed', reason, message, retry, ...at, ...(side === undefined ? {} : { side }) };
}
