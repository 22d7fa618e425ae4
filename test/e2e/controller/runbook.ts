import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The commands of docs/runbook.md, those within a sentence too, for this DataVolume in the place of its example. */
export function runbookCommands(volume: {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}): readonly string[] {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/runbook.md'), 'utf8');
  const found = [...text.matchAll(/^ {4,}(kubectl .*)$|`(kubectl [^`]+)`/gm)];
  return found.map(([, line, within = '']) =>
    (line ?? within)
      .replace('-n tenant-a', `-n ${volume.namespace}`)
      .replace(/ disk\b/, ` ${volume.name}`)
      .replace(/\bUID\b/, volume.uid),
  );
}
