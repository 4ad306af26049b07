import { deferred } from './deferred.js';
import { onAbort } from './on-abort.js';

export interface TimeLimit {
  readonly limitMs: number;
  /** What to say when the time is over. */
  readonly text: string;
  /** Ends it earlier. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs something that may never end by itself. The signal that it gets aborts when the time is over or the caller gives
 * up, but not once it is done; what it does after that concerns nobody.
 */
export const withinLimit = async <T>(
  { limitMs, text, signal }: TimeLimit,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const stop = new AbortController();
  const end = deferred<never>();
  end.promise.catch(() => undefined);
  const give = (reason: unknown): void => {
    end.reject(reason);
    stop.abort(reason);
  };
  const timer = setTimeout(() => give(new Error(text)), limitMs);
  const stopListening = onAbort(signal, give);
  try {
    return await Promise.race([end.promise, run(stop.signal)]);
  } finally {
    clearTimeout(timer);
    stopListening();
  }
};
