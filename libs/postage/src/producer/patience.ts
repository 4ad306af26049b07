import { longTimeout } from '../connection/long-timeout.js';
import { onAbort } from '../connection/on-abort.js';

/** How long somebody waits, and what it is called when that was not long enough. */
export interface Patience {
  readonly limitMs: number;
  readonly signal: AbortSignal | undefined;
  /** Why to give up; or how many milliseconds to wait on. */
  readonly onLimit: () => Error | number;
  readonly onAbort: (reason: unknown) => Error;
}

/** Runs `work` with a signal that aborts, with the reason from `onLimit` or `onAbort`, when patience is over. */
export const withPatience = async <T>(
  patience: Patience,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const giveUp = new AbortController();
  const onTimer = (): void => {
    const next = patience.onLimit();
    if (typeof next === 'number') stopTimer = longTimeout(onTimer, next);
    else giveUp.abort(next);
  };
  let stopTimer = longTimeout(onTimer, patience.limitMs);
  const stopListening = onAbort(patience.signal, (reason) => giveUp.abort(patience.onAbort(reason)));
  try {
    return await work(giveUp.signal);
  } finally {
    stopTimer();
    stopListening();
  }
};
