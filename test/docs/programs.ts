import type { Block } from './markdown.js';

/** A source file made of blocks of one page. */
export interface Program {
  /** Its folder is the page's, for example `docs/handlers/block-12.ts`. */
  readonly path: string;
  readonly text: string;
  /** Which line of which page a line of the text comes from; both count from 1. */
  readonly origin: (line: number) => string;
}

interface Draft {
  readonly path: string;
  readonly blocks: Block[];
}

/**
 * The `ts` blocks of one page as files. A block is a file of its own; `<!-- file: name.ts -->` above it names that file,
 * so that others of the page can import it; `<!-- continues -->` appends it to the block before it, and
 * `<!-- continues: name.ts -->` to the file of that name.
 */
export const programsOf = (blocks: readonly Block[]): readonly Program[] => {
  const drafts: Draft[] = [];
  for (const block of blocks.filter(({ language }) => language === 'ts')) {
    if (block.mark?.key === 'continues') predecessor(drafts, block).blocks.push(block);
    else drafts.push({ path: `${folderOf(block.page)}/${fileNameOf(block)}`, blocks: [block] });
  }
  return drafts.map(toProgram);
};

export const folderOf = (page: string): string => page.replace(/\.md$/, '').toLowerCase();

const fileNameOf = ({ mark, firstLine }: Block): string =>
  mark?.key === 'file' ? mark.value : `line-${firstLine}.ts`;

const predecessor = (drafts: readonly Draft[], block: Block): Draft => {
  const wanted = block.mark?.value ?? '';
  const found = wanted === '' ? drafts.at(-1) : drafts.find(({ path }) => path.endsWith(`/${wanted}`));
  if (found) return found;
  throw new Error(`${block.page}:${block.firstLine} continues a block that is not there: ${wanted}`);
};

const toProgram = ({ path, blocks }: Draft): Program => {
  const origins = blocks.flatMap(({ page, firstLine, text }) =>
    text.split('\n').map((_, index) => `${page}:${firstLine + index}`),
  );
  return {
    path,
    text: `${blocks.map(({ text }) => text).join('\n')}\n`,
    origin: (line) => origins[line - 1] ?? origins.at(-1) ?? path,
  };
};
