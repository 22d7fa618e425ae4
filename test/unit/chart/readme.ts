import { documentedValues, type Value } from './values.ts';

/** The table of values in the chart's README, made from the comments of values.yaml. */

const marks = { begin: '<!-- values: made by `make chart-readme` -->\n', end: '<!-- end of values -->' } as const;

/** The README with its table as it has to be. @throws Error when it has no place for one. */
export function withValues(readme: string): string {
  const begin = readme.indexOf(marks.begin);
  const end = readme.indexOf(marks.end);
  if (begin < 0 || end < begin) throw new Error(`the README has no ${marks.begin.trim()} … ${marks.end}`);
  const rows = documentedValues().map(row).join('\n');
  const table = `\n| value | default | meaning |\n|---|---|---|\n${rows}\n\n`;
  return readme.slice(0, begin + marks.begin.length) + table + readme.slice(end);
}

function row({ path, doc, value, leaf }: Value): string {
  const cell = (text: string): string => text.replaceAll('|', String.raw`\|`);
  return `| \`${path}\` | ${leaf ? `\`${cell(JSON.stringify(value))}\`` : ''} | ${cell(doc)} |`;
}
