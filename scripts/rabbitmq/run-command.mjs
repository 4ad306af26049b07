import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { exitCodeOf, Interrupted } from './interruption.mjs';
import { LauncherError } from './launcher-error.mjs';

/** @import { ChildProcess } from 'node:child_process' */
/** @import { Watchdog } from './watchdog.mjs' */

const TERMINATE_AFTER_MS = 10_000;
const KILL_AFTER_MS = 15_000;

const CANNOT_RUN = 126;
const NOT_FOUND = 127;

/** @param {string} command */
export const commandNotFound = (command) =>
  new LauncherError(`command not found: ${command}`, { exitCode: NOT_FOUND });

/** A terminal sends Ctrl-C to the command as well as to us. */
function hasTerminal() {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/**
 * Passes the signal on, and gets more insistent where it does not help.
 *
 * @param {ChildProcess} child
 * @param {NodeJS.Signals} by
 */
function endCommand(child, by) {
  // Twice Ctrl-C means "at once" to many programs, vitest among them: what the terminal sent is not sent again.
  if (by === 'SIGTERM' || !hasTerminal()) child.kill(by);
  const timers = [
    setTimeout(() => child.kill('SIGTERM'), TERMINATE_AFTER_MS),
    setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS),
  ];
  child.once('exit', () => timers.forEach(clearTimeout));
}

/**
 * Runs the command with our own stdin, stdout and stderr, and resolves with its exit code.
 *
 * @param {readonly [string, ...string[]]} command
 * @param {{ env: NodeJS.ProcessEnv, watchdog: Watchdog, signal: AbortSignal }} options
 * @returns {Promise<number>}
 * @throws {LauncherError} when it cannot be started
 */
export function runCommand([program, ...args], { env, watchdog, signal }) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env });
    const forget =
      child.pid === undefined ? () => {} : watchdog.remember({ kind: 'command', pid: child.pid });
    const onAbort = () => signal.reason instanceof Interrupted && endCommand(child, signal.reason.by);
    signal.addEventListener('abort', onAbort, { once: true });
    child.once('error', (error) => {
      reject(
        new LauncherError(`cannot run ${program}: ${error.message}`, { exitCode: CANNOT_RUN, cause: error }),
      );
    });
    child.once('exit', (code, killedBy) => {
      forget();
      signal.removeEventListener('abort', onAbort);
      resolve(killedBy === null ? (code ?? 0) : exitCodeOf(killedBy));
    });
  });
}
