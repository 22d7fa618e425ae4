import { annotations, cloneSourcerRole, groups, sourceSubresource } from '../shared/api/names.ts';
import type { Asked } from './source.ts';

/** How things are said to the people who read refusals, warnings and events. Names come from strangers, so all are quoted or bounded. */

/** At most `longest` characters, the last of them an ellipsis when something was left out. */
export function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
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
  const fix = grantFor(username, asked.namespace);
  return (
    `user ${quote(username)} may not clone ${describe(asked)}: ${missing}` +
    (fix === undefined ? '' : `. An administrator of that namespace can grant it: ${fix}`)
  );
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

const serviceAccount = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/u;

/** The command that grants the right; undefined for a user name that cannot be written on a command line. */
function grantFor(username: string, namespace: string): string | undefined {
  if (oneLine(username) !== username || username.length > 256) return undefined;
  const [, home, account] = serviceAccount.exec(username) ?? [];
  const subject =
    home === undefined || account === undefined
      ? `--user=${shellQuote(username)}`
      : `--serviceaccount=${home}:${account}`;
  const binding = `clone-from-${namespace}-${slug(account ?? username)}`;
  return `kubectl create rolebinding ${binding} --clusterrole=${cloneSourcerRole} ${subject} -n ${shellQuote(namespace)}`;
}

/** Part of a binding's name that tells whom it is for; two users with the same one need two names, which kubectl then says. */
function slug(name: string): string {
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]+/gu, '-');
  return plain.slice(0, 63).replaceAll(/^-+|-+$/gu, '') || 'user';
}

/** One word for a POSIX shell. */
export function shellQuote(text: string): string {
  return /^[\w.:@/=+-]+$/u.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
