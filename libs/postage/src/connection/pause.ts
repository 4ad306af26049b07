import { onAbort } from './on-abort.js';

/** Sleeps, but wakes at once when the signal aborts; then, too, it resolves. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(() => {
      stop();
      resolve();
    }, ms);
    const stop = onAbort(signal, () => {
      clearTimeout(timer);
      resolve();
    });
  });
