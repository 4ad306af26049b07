import { setMaxListeners } from 'node:events';

/** Sleeps, but wakes at once when the signal aborts; then, too, it resolves. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, signal.aborted ? 0 : ms);
    // A listener for each consumer that waits to be put back is no leak: Node would warn of more than ten.
    setMaxListeners(0, signal);
    signal.addEventListener('abort', wake);
  });
