import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const GENERATED = /(^|\/)(node_modules|dist|\.cache)\//;

/** One import of a source file: of a file, seen from the root of the repository, or of a package. */
export interface Import {
  readonly from: string;
  readonly to: string;
  readonly isFile: boolean;
}

/** The files under a folder of the repository that somebody wrote, seen from its root: `libs/postage/src/errors.ts`. */
export const filesUnder = (folder: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length).split(sep).join('/'))
    .filter((file) => !GENERATED.test(file));

export const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** What a text imports or exports from; `import type`, `import('...')` and its form for types count, too. */
export const specifiersIn = (text: string): readonly string[] =>
  ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName);

export const importsOf = (from: string): readonly Import[] =>
  specifiersIn(textOf(from)).map((specifier) =>
    specifier.startsWith('.')
      ? { from, to: resolve(from, specifier), isFile: true }
      : { from, to: specifier, isFile: false },
  );

/** The source that a relative import means: with `nodenext` it names the compiled file. */
const resolve = (from: string, specifier: string): string =>
  normalize(join(from, '..', specifier))
    .split(sep)
    .join('/')
    .replace(/\.js$/, '.ts');
