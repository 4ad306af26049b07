import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** One Markdown file of the repository. */
export interface Page {
  /** As seen from the root of the repository, for example `docs/messages.md`. */
  readonly path: string;
  readonly lines: readonly string[];
}

/** One fenced block, and the HTML comment above it. */
export interface Block {
  readonly page: string;
  readonly language: string;
  /** The line of the page that the block's first line is. */
  readonly firstLine: number;
  readonly text: string;
  /** `<!-- file: echo.exchange.ts -->` is `{ key: 'file', value: 'echo.exchange.ts' }`. */
  readonly mark: { readonly key: string; readonly value: string } | undefined;
}

const TOP = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'];

/** Every page that users and contributors read. */
export const pages = (): readonly Page[] => {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path));
  return [...TOP, ...docs.toSorted()].map(readPage);
};

export const readPage = (path: string): Page => ({
  path: relative(ROOT, join(ROOT, path)),
  lines: readFileSync(join(ROOT, path), 'utf8').split('\n'),
});

const FENCE = /^```(?<language>\w*)$/;
const MARK = /^<!-- (?<key>[a-z]+)(?:: (?<value>\S+))? -->$/;

/** The fenced blocks of a page, in order. */
export const blocksOf = ({ path, lines }: Page): readonly Block[] => {
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const fence = FENCE.exec(lines[at] ?? '');
    if (fence === null) continue;
    const end = lines.indexOf('```', at + 1);
    if (end === -1) throw new Error(`${path}:${at + 1} opens a block that never closes`);
    const { key, value = '' } = MARK.exec(lineAbove(lines, at))?.groups ?? {};
    blocks.push({
      page: path,
      language: fence.groups?.['language'] ?? '',
      firstLine: at + 2,
      text: lines.slice(at + 1, end).join('\n'),
      mark: key === undefined ? undefined : { key, value },
    });
    at = end;
  }
  return blocks;
};

/** The nearest line above that is not blank: prettier puts a blank one behind a comment. */
const lineAbove = (lines: readonly string[], at: number): string =>
  lines.slice(0, at).findLast((line) => line.trim() !== '') ?? '';

/** The text of a page without its blocks: an example of a link is no link. */
export const proseOf = (page: Page): readonly string[] => {
  let fenced = false;
  return page.lines.map((line) => {
    if (line.startsWith('```')) fenced = !fenced;
    return fenced ? '' : line.replaceAll(/`[^`]*`/g, '');
  });
};
