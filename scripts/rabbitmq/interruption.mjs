import { constants } from 'node:os';
import { LauncherError } from './launcher-error.mjs';

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/**
 * What a shell reports for a process a signal ended.
 *
 * @param {NodeJS.Signals} signal
 */
export const exitCodeOf = (signal) => 128 + constants.signals[signal];

/** The launcher was asked to end. */
export class Interrupted extends LauncherError {
  name = 'Interrupted';

  /** @param {NodeJS.Signals} by */
  constructor(by) {
    super(`ended by ${by}`, { exitCode: exitCodeOf(by) });
    this.by = by;
  }
}

/**
 * Turns the first signal that asks the launcher to end into an abort whose reason is {@link Interrupted}. Further
 * ones change nothing: every step from there on has a time limit.
 *
 * @returns {AbortSignal}
 */
export function listenForInterruption() {
  const controller = new AbortController();
  for (const name of SIGNALS) process.on(name, () => controller.abort(new Interrupted(name)));
  return controller.signal;
}
