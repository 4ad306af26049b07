/** How long somebody waits, and what it is called when that was not long enough. */
export interface Patience {
  readonly limitMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onLimit: () => unknown;
  readonly onAbort: (reason: unknown) => unknown;
}

/** Runs `work` with a signal that aborts, with the reason from `onLimit` or `onAbort`, when patience is over. */
export const withPatience = async <T>(
  { limitMs, signal, onLimit, onAbort }: Patience,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  const giveUp = new AbortController();
  const abort = (): void => giveUp.abort(onAbort(signal?.reason));
  const timer = setTimeout(() => giveUp.abort(onLimit()), Math.max(0, limitMs));
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted) abort();
  try {
    return await work(giveUp.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
};
