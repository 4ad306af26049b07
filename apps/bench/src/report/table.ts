/** A table of texts; the first row is its head. */
export type Table = readonly (readonly string[])[];

const widthsOf = (table: Table): readonly number[] =>
  (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => (row[column] ?? '').length)));

/** Numbers stand to the right. */
const isNumeric = ([, ...rows]: Table, column: number): boolean =>
  column > 0 && rows.some((row) => /^-?\d/.test(row[column] ?? ''));

/** For a terminal. */
export const plainTable = (table: Table): string => {
  const widths = widthsOf(table);
  const cell = (text: string, column: number): string =>
    isNumeric(table, column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0);
  return table
    .map((row) => `  ${widths.map((_, column) => cell(row[column] ?? '', column)).join('   ')}`.trimEnd())
    .join('\n');
};

export const markdownTable = (table: Table): string => {
  const [head = [], ...rows] = table;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, column) => (isNumeric(table, column) ? '---:' : '---'));
  return [
    line(head),
    line(rule),
    ...rows.map((row) => line(head.map((_, column) => row[column] ?? ''))),
  ].join('\n');
};
