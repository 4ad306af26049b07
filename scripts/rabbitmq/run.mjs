import { execFile } from 'node:child_process';

/** A program that could not be started, failed, or took too long. */
export class ProgramError extends Error {
  name = 'ProgramError';

  /**
   * @param {string} program
   * @param {string} output what it printed, stdout and stderr
   * @param {unknown} cause
   */
  constructor(program, output, cause) {
    const why = output.trim() || (cause instanceof Error ? cause.message : String(cause));
    super(`${program} failed: ${why}`, { cause });
    this.output = output;
  }
}

/**
 * Runs a program to its end and resolves with its stdout.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ timeoutMs?: number, env?: NodeJS.ProcessEnv, signal?: AbortSignal | undefined }} [options]
 * @returns {Promise<string>}
 * @throws {ProgramError}
 */
export function run(program, args, { timeoutMs = 0, env = process.env, signal } = {}) {
  return new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, env, signal, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new ProgramError([program, ...args].join(' '), stdout + stderr, error));
    });
    // A program that reads its stdin would otherwise wait for ever.
    child.stdin?.end();
  });
}
