import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './programs.mjs';

const CONSUMERS = fileURLToPath(new URL('consumers/', import.meta.url));

/**
 * The applications that the package is tried in: both major versions of Nest, both module systems, and the oldest peer
 * dependencies that package.json allows, with the module resolution that Nest 11 applications used to have.
 *
 * @type {readonly { name: string, flags: readonly string[] }[]}
 */
export const CONSUMER_APPS = [
  { name: 'nest-11-oldest', flags: ['--module', 'commonjs', '--moduleResolution', 'node10'] },
  { name: 'nest-11-cjs', flags: [] },
  { name: 'nest-12-esm', flags: [] },
];

/**
 * Installs the tarball into a fresh application of a user, type-checks it against the package's own types and runs it.
 *
 * @param {{ name: string, flags: readonly string[] }} app
 * @param {{ tarball: string, folder: string }} places
 * @returns {Promise<string>} what the application printed
 */
export async function tryConsumer({ name, flags }, { tarball, folder }) {
  const cwd = join(folder, name);
  await cp(join(CONSUMERS, name), cwd, { recursive: true });
  await cp(join(CONSUMERS, 'src'), join(cwd, 'src'), { recursive: true });
  await cp(join(CONSUMERS, 'tsconfig.json'), join(cwd, 'tsconfig.json'));
  const quietly = ['--loglevel=error', '--prefer-offline', '--no-audit', '--no-fund', '--no-package-lock'];
  await run('npm', ['install', ...quietly, tarball], { cwd });
  await run(process.execPath, [join(cwd, 'node_modules/typescript/bin/tsc'), ...flags], { cwd });
  return run(process.execPath, ['dist/main.js'], { cwd });
}
