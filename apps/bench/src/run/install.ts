import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PeerDefinition } from '../peers.js';

const INSTALL_LIMIT_MS = 180_000;
const COMPILER = createRequire(import.meta.url).resolve('typescript/bin/tsc');

/** A registry that can not be reached is given up after some seconds. */
const NPM_CI = ['ci', '--no-audit', '--no-fund', '--fetch-retries=1', '--fetch-retry-mintimeout=1000'];

const run = promisify(execFile);

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Whether each dependency is there, in the version that its `package.json` fixes. */
const isInstalled = (folder: string): boolean => {
  // A file of this repository, and one that every package has.
  const read = (...path: string[]): unknown => JSON.parse(readFileSync(join(folder, ...path), 'utf8'));
  const { dependencies } = read('package.json') as Manifest;
  return Object.entries(dependencies).every(([name, version]) => {
    if (!existsSync(join(folder, 'node_modules', name, 'package.json'))) return false;
    const installed = read('node_modules', name, 'package.json') as { readonly version: string };
    return installed.version === version;
  });
};

const isCompiled = (folder: string): boolean => {
  const program = join(folder, 'dist/peer.js');
  return existsSync(program) && statSync(program).mtimeMs > statSync(join(folder, 'src/peer.ts')).mtimeMs;
};

/** The most telling line of what a program printed before it failed. */
const reasonOf = (error: unknown): string => {
  // `execFile` adds what was printed.
  const { stderr = '', stdout = '' } = error as { readonly stderr?: string; readonly stdout?: string };
  const lines = `${stderr}\n${stdout}`.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => /error/i.test(line)) ?? lines[0] ?? String(error);
};

/**
 * Installs and compiles a peer that is a package of its own. Returns why that is not possible, for example because the
 * registry can not be reached.
 */
export const install = async (
  { id, folder }: PeerDefinition,
  { signal, onStep }: { signal: AbortSignal; onStep: (step: string) => void },
): Promise<string | undefined> => {
  if (folder === undefined) return undefined;
  const options = { cwd: folder, signal, timeout: INSTALL_LIMIT_MS };
  try {
    if (!isInstalled(folder)) {
      onStep(`installing ${id}`);
      await run('npm', NPM_CI, options);
    }
    if (!isCompiled(folder)) {
      onStep(`compiling ${id}`);
      await run(process.execPath, [COMPILER, '-p', folder], options);
    }
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return reasonOf(error);
  }
};
