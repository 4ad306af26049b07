import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { afterAll, beforeAll } from 'vitest';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** One for each file of tests, so that they do not meet. */
const FOLDER = join(ROOT, '.cache/programs', String(process.pid));

/** Compiles programs on the sources of the library, as the tests themselves: no build has to go before. */
const compile = async (sources: readonly string[]): Promise<void> => {
  const library = join(ROOT, 'libs/postage');
  await build({
    root: ROOT,
    configFile: false,
    logLevel: 'error',
    resolve: { alias: { 'nestjs-postage': join(library, 'src/index.ts') } },
    build: {
      ssr: true,
      outDir: FOLDER,
      minify: false,
      rolldownOptions: {
        input: sources.map((source) => join(ROOT, source)),
        treeshake: false,
        output: { preserveModules: true, preserveModulesRoot: ROOT, entryFileNames: '[name].js' },
      },
    },
  });
  writeFileSync(join(FOLDER, 'package.json'), '{ "type": "module" }');
  // The library reads its version in it.
  copyFileSync(join(library, 'package.json'), join(FOLDER, 'libs/postage/package.json'));
};

/** The compiled program of a source such as `test/support/fleet-member.ts`. */
export const compiled = (source: string): string => join(FOLDER, source.replace(/\.ts$/, '.js'));

/** A new empty folder for a program to run in. */
export const workingFolder = (): string => {
  mkdirSync(FOLDER, { recursive: true });
  return mkdtempSync(join(FOLDER, 'cwd-'));
};

/** Compiles these before the tests of the file, and removes them afterwards. It takes some seconds. */
export const useCompiled = (...sources: readonly string[]): void => {
  beforeAll(() => compile(sources), 120_000);
  afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));
};
