import { onAbort } from './on-abort.js';

/**
 * Sleeps, but wakes at once when the signal aborts; then, too, it resolves.
 * @param keepsAlive whether the process waits for it
 */
export const pause = (ms: number, signal: AbortSignal, keepsAlive = true): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => {
      stop();
      resolve();
    }, ms);
    if (!keepsAlive) timer.unref();
    const stop = onAbort(signal, () => {
      clearTimeout(timer);
      resolve();
    });
  });
