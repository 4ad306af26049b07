import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { rootFolder } from './program.js';

const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');

/** Compiles what these tests start, the library included. Does little when it is up to date. */
export const buildApps = async (): Promise<void> => {
  const projects = ['basic-echo', 'advanced-echo', 'rpc-echo', 'fleet', 'demo', 'bench'].map(
    (app) => `apps/${app}`,
  );
  await promisify(execFile)(process.execPath, [compiler, '-b', ...projects], { cwd: rootFolder });
};
