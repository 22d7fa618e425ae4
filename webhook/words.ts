import { annotations, cloneSourcerRole, groups, sourceSubresource } from '../shared/api/names.ts';
import type { Asked } from './source.ts';

/** How things are said to the people who read refusals, warnings and events. Names come from strangers, so all are quoted or bounded. */

/** At most `longest` characters, the last of them an ellipsis when something was left out; never half a character. */
export function cut(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const kept = text.slice(0, longest - 1);
  // A pair of surrogates is one character, and half of one is no text that JSON could carry.
  return `${/[\uD800-\uDBFF]$/u.test(kept) ? kept.slice(0, -1) : kept}…`;
}

/** Without line breaks, and without characters that could make the line look like another one in a terminal or a log. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

/** A stranger's text inside a sentence: it cannot end the sentence, nor fill the screen. */
export function quote(text: string): string {
  return JSON.stringify(cut(oneLine(text), 256));
}

/** `PersistentVolumeClaim golden/win10`. */
export function describe({ kind, namespace, name }: Asked): string {
  return `${kind} ${cut(oneLine(`${namespace}/${name}`), 320)}`;
}

const { verb, resource, subresource } = sourceSubresource;

/** Bytes; fits into the note of an event with what is said around it. */
const longestDenial = 920;

/**
 * Why the user may not clone, and the command that would change it. The text depends on what was asked for alone: it is the same
 * whether the source (or the DataSource) exists or not.
 */
export function denialOf(username: string, asked: Asked): string {
  const right = `the right to ${verb} ${resource}/${subresource} (${groups.cdi}) in namespace ${asked.namespace}`;
  const missing =
    asked.kind === 'DataSource'
      ? `it does not name a source that you may clone: that needs ${right} or wherever its source is`
      : `that needs ${right}`;
  const text = `user ${quote(username)} may not clone ${describe(asked)}: ${missing}. An administrator of that namespace can grant it`;
  const fix = grantFor(username, asked.namespace);
  const whole = `${text}: ${fix}`;
  // A command that is cut off in an event could still be run, and would grant something else.
  return fix === undefined || Buffer.byteLength(whole) > longestDenial
    ? `${text} by the ClusterRole ${cloneSourcerRole}`
    : whole;
}

/** For somebody who has the right, when mutate has not seen the object or could not do its work. */
export function notStampedText(asked: Asked): string {
  return (
    `you may clone ${describe(asked)}, but the DataVolume carries no ${annotations.stamp}: the mutating webhook could not finish, or ` +
    'another one removed the annotation. Try again'
  );
}

/** For a DataVolume that was let in, or changed, without a right to clone. Fits into a warning. */
export const unstampedWarning =
  'no stamp: Clonegate will not clone it; to have it cloned, create it anew without the annotation';

export function alteredText(flaw: string): string {
  return `${flaw}: another webhook altered the DataVolume after it was authorized. Try again; tell an administrator when that does not help`;
}

/** What shadow mode says of a refusal that it does not pronounce; fits into a warning together with the beginning of that. */
export function sparedText(message: string): string {
  return `would be refused (CloneWouldBeDenied): ${message}`;
}

export const stampedText = 'let through all the same: Clonegate runs in shadow mode';
export const unstampedText = 'stored all the same (shadow mode), but Clonegate never clones what was not authorized';

const serviceAccount = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/u;

/** The command that grants the right; undefined for a user name that cannot be written on a command line. */
function grantFor(username: string, namespace: string): string | undefined {
  if (oneLine(username) !== username || !username.isWellFormed() || username.length > 256) return undefined;
  const [, home, account] = serviceAccount.exec(username) ?? [];
  const isAccount = home !== undefined && account !== undefined;
  const subject = isAccount ? `--serviceaccount=${home}:${account}` : `--user=${shellQuote(username)}`;
  const binding = `clone-from-${slug(namespace)}-${slug(isAccount ? `${home}-${account}` : username)}`;
  return `kubectl create rolebinding ${binding} --clusterrole=${cloneSourcerRole} ${subject} -n ${shellQuote(namespace)}`;
}

/** Part of a binding's name that tells whom it is for; two users with the same one need two names, which kubectl then says. */
function slug(name: string): string {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]+/gu, '-');
  return plain.slice(0, 40).replaceAll(/^-+|-+$/gu, '') || 'user';
}

/** One word for a POSIX shell. */
export function shellQuote(text: string): string {
  return /^[\w.:@/=+-]+$/u.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
