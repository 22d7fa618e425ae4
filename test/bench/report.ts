/** What a benchmark found, and how it is printed. */

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  /** Undefined is printed as `-`; numbers are rounded to what can be told apart. */
  readonly rows: readonly (readonly (string | number | undefined)[])[];
}

export interface Report {
  readonly title: string;
  /** How it was measured; one line each. */
  readonly notes: readonly string[];
  readonly tables: readonly Table[];
  /** What must hold and did not: a wrong answer, a budget that was overrun. Empty is success. */
  readonly failures: readonly string[];
}

export interface BenchOptions {
  /** A short run that shows that everything works; its figures are rough. */
  readonly quick: boolean;
  /** Told what goes on. */
  readonly log: (line: string) => void;
}

export type Bench = (options: BenchOptions) => Promise<Report>;

export function print({ title, notes, tables, failures }: Report): string {
  const verdict = failures.length === 0 ? [] : ['Failed:', ...failures.map((failure) => `  ${failure}`), ''];
  return [title, '', ...notes, '', ...tables.flatMap((table) => [...lines(table), '']), ...verdict].join('\n');
}

function lines({ title, columns, rows }: Table): readonly string[] {
  const cells = [columns, ...rows.map((row) => row.map(shown))];
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  const padded = cells.map((row) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join('  '),
  );
  return [title, ...padded.map((line) => `  ${line.trimEnd()}`)];
}

function shown(value: string | number | undefined): string {
  if (value === undefined) return '-';
  if (typeof value === 'string') return value;
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}
