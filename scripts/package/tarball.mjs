import { join } from 'node:path';
import { PACKAGE } from './documents.mjs';
import { run } from './programs.mjs';

const PUBLINT = 'publint@0.3.25';
const ATTW = '@arethetypeswrong/cli@0.18.5';

/** What has to be in the package, and what must not. */
const NEEDED = [
  'LICENSE',
  'README.md',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/testing/index.js',
  'src/index.ts',
];
const UNWANTED = /\.spec\.|\.tsbuildinfo$|(^|\/)\.[^/]/;

/**
 * Packs the library as it would be published.
 *
 * @param {string} folder where the tarball goes
 * @returns {Promise<{ path: string, files: string[] }>}
 */
export async function pack(folder) {
  const printed = await run('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: PACKAGE,
  });
  // The scripts around packing may print, too: the JSON is what starts with a bracket.
  const [packed] = JSON.parse(printed.slice(printed.search(/^\[/m)));
  const files = packed.files.map((/** @type {{ path: string }} */ { path }) => path);
  return { path: join(folder, packed.filename), files };
}

/** @param {readonly string[]} files */
export async function checkContents(files) {
  const problems = [
    ...NEEDED.filter((file) => !files.includes(file)).map((file) => `${file} is missing from the package`),
    ...files.filter((file) => UNWANTED.test(file)).map((file) => `${file} must not be in the package`),
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/**
 * The two linters of packages. A CommonJS consumer loads the ES module with `require`, which Node 20.19 and later can.
 *
 * @param {string} tarball
 */
export async function lintPackage(tarball) {
  const packages = ['--yes', `--package=${PUBLINT}`, `--package=${ATTW}`];
  await run('npm', ['exec', ...packages, '--', 'publint', 'run', tarball, '--strict']);
  await run('npm', ['exec', ...packages, '--', 'attw', tarball, '--ignore-rules', 'cjs-resolves-to-esm']);
}
