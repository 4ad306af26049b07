import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { blocksOf, pages, proseOf, readPage, ROOT, type Page } from './markdown.js';

interface Link {
  readonly place: string;
  readonly page: string;
  readonly target: string;
}

const linksOf = (page: Page): readonly Link[] =>
  proseOf(page).flatMap((line, index) =>
    [...line.matchAll(/\]\((?<target>[^)\s]+)\)/g)].map(({ groups }) => ({
      place: `${page.path}:${index + 1}`,
      page: page.path,
      target: groups?.['target'] ?? '',
    })),
  );

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

/** Headings lie outside fenced blocks; code marks in them are part of their text. */
const anchorsOf = ({ lines }: Page): ReadonlySet<string> => {
  let fenced = false;
  const anchors = new Set<string>();
  for (const line of lines) {
    if (line.startsWith('```')) fenced = !fenced;
    const heading = /^#+ (?<text>.*)$/.exec(line)?.groups?.['text'];
    if (!fenced && heading !== undefined) anchors.add(anchorOf(heading));
  }
  return anchors;
};

/** Why a link leads nowhere; undefined when it leads somewhere. */
const problemOf = ({ page, target }: Link): string | undefined => {
  const [path = '', anchor] = target.split('#', 2);
  const file = path === '' ? page : normalize(join(dirname(page), path));
  if (!existsSync(join(ROOT, file))) return `there is no ${file}`;
  if (anchor === undefined) return undefined;
  return anchorsOf(readPage(file)).has(anchor) ? undefined : `${file} has no heading #${anchor}`;
};

const isRelative = ({ target }: Link): boolean => !/^[a-z]+:/.test(target);

describe('a link within the repository', () => {
  it('leads to a file, and to a heading of it', () => {
    const problems = pages()
      .flatMap(linksOf)
      .filter(isRelative)
      .flatMap((link) => {
        const problem = problemOf(link);
        return problem === undefined ? [] : [`${link.place}: ${problem}`];
      });
    expect(problems).toEqual([]);
  });
});

interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
}

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

/** The scripts that a line of a shell block asks for. */
const scriptsOf = (line: string): readonly string[] => [
  ...[...line.matchAll(/npm run (?<name>[\w:]+)/g)].map(({ groups }) => groups?.['name'] ?? ''),
  ...(/npm test\b/.test(line) ? ['test'] : []),
];

describe('a command of the documentation', () => {
  const shell = pages().flatMap((page) => blocksOf(page).filter(({ language }) => language === 'sh'));
  const lines = shell.flatMap(({ text, page, firstLine }) =>
    text.split('\n').map((line, index) => ({ line, place: `${page}:${firstLine + index}` })),
  );

  it('runs a script that package.json has', () => {
    const named = pages().flatMap((page) =>
      page.lines
        .flatMap((line) => [...line.matchAll(/`(?<command>npm [^`]*)`/g)])
        .map(({ groups }) => ({
          line: groups?.['command'] ?? '',
          place: page.path,
        })),
    );
    const missing = [...lines, ...named].flatMap(({ line, place }) =>
      scriptsOf(line)
        .filter((name) => !Object.hasOwn(scripts, name))
        .map((name) => `${place}: there is no script "${name}"`),
    );
    expect(missing).toEqual([]);
  });

  it('runs a file that is there', () => {
    const missing = lines.flatMap(({ line, place }) =>
      [...line.matchAll(/(?<= )(?:scripts|test|apps)\/\S+/g)]
        .map(([path]) => path.replace(/\/dist\/(\w+)\.js$/, '/src/$1.ts'))
        .filter((path) => !existsSync(join(ROOT, path)))
        .map((path) => `${place}: there is no ${path}`),
    );
    expect(missing).toEqual([]);
  });
});

describe('the table of events', () => {
  it('has every event that observers are told', () => {
    const source = readFileSync(join(ROOT, 'libs/postage/src/observability/observer.ts'), 'utf8');
    const kinds = new Set(
      [...source.matchAll(/readonly kind: '(?<kind>[\w.]+)'/g)].map(({ groups }) => groups?.['kind']),
    );
    const documented = readPage('docs/configuration.md').lines.join('\n');
    expect([...kinds].filter((kind) => !documented.includes(`\`${kind}\``))).toEqual([]);
  });
});

describe('the table of errors', () => {
  it('has every code', () => {
    const source = readFileSync(join(ROOT, 'libs/postage/src/errors.ts'), 'utf8');
    const [, union = ''] = /export type ConnectionErrorCode =(?<union>[\s\S]*?)\/\*\*/.exec(source) ?? [];
    const codes = [...union.matchAll(/'(?<code>[A-Z_]+)'/g)].map(({ groups }) => groups?.['code'] ?? '');
    const documented = [readPage('docs/producers.md'), readPage('docs/handlers.md')]
      .flatMap(({ lines }) => lines)
      .join('\n');
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !documented.includes(`\`${code}\``))).toEqual([]);
  });
});
