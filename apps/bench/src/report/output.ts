import { writeFileSync } from 'node:fs';
import { markdownTable, plainTable } from './table.js';
import type { Section } from './tables.js';

const plain = ({ title, notes, table }: Section): string =>
  [title, ...notes.map((note) => `  ${note}`), '', plainTable(table), ''].join('\n');

const markdown = ({ title, notes, table }: Section): string =>
  [`### ${title}`, notes.map((note) => `- ${note}`).join('\n'), markdownTable(table)]
    .filter((part) => part !== '')
    .map((part) => `${part}\n`)
    .join('\n');

export const printSection = (section: Section): void => console.log(plain(section));

/** An empty name is the standard output. */
export const writeMarkdown = (file: string, sections: readonly Section[]): void => {
  const text = sections.map(markdown).join('\n');
  if (file === '') console.log(text);
  else writeFileSync(file, text);
};

export const writeJson = (file: string, value: unknown): void =>
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
