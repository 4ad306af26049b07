/** Node's timers hold 32 bits: a longer one would fire at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Like `setTimeout`, for any time: one that a timer can not hold is waited for in parts, an infinite one for ever.
 * Returns the way to stop it.
 */
export const longTimeout = (listener: () => void, ms: number): (() => void) => {
  let timer: NodeJS.Timeout | undefined;
  const wait = (leftMs: number): void => {
    const partMs = Math.min(leftMs, MAX_TIMER_MS);
    timer = setTimeout(() => {
      if (leftMs > partMs) wait(leftMs - partMs);
      else listener();
    }, partMs);
  };
  if (ms !== Infinity) wait(Math.max(0, ms));
  return () => clearTimeout(timer);
};
