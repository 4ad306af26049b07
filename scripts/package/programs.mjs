import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ROOT } from './documents.mjs';

const execute = promisify(execFile);

const TIMEOUT_MS = 180_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * Runs a program to its end and resolves with its stdout; rejects with all that it printed.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string }} [options]
 * @returns {Promise<string>}
 */
export async function run(program, args, { cwd = ROOT } = {}) {
  try {
    const { stdout } = await execute(program, [...args], {
      cwd,
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = /** @type {{ stdout?: string, stderr?: string }} */ (error);
    throw new Error(`${program} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error });
  }
}

/** @param {string} text */
export const say = (text) => void process.stdout.write(`[test:package] ${text}\n`);
