/** The time of one call: it begins with the call, whatever has to be waited for before anything can be sent. */
export class CallClock {
  readonly #startedMs = performance.now();
  readonly #timeoutMs: number;
  readonly #maxAttempts: number;
  #missed = 0;

  constructor({ timeoutMs, maxRetry }: { readonly timeoutMs: number; readonly maxRetry: number }) {
    this.#timeoutMs = timeoutMs;
    this.#maxAttempts = maxRetry + 1;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Of all attempts together. */
  get leftMs(): number {
    return this.#timeoutMs * this.#maxAttempts - this.elapsedMs;
  }

  /**
   * How many attempts there are for a call that can begin only now: time that has gone by is taken from the first ones,
   * which are not counted any more.
   */
  begin(): number {
    this.#missed = Math.floor(this.elapsedMs / this.#timeoutMs);
    return Math.max(0, this.#maxAttempts - this.#missed);
  }

  /** Until the n-th attempt ends, counted from the beginning of the call, so that late timers do not add up. */
  leftOf(attempt: number): number {
    return Math.max(1, (this.#missed + attempt) * this.#timeoutMs - this.elapsedMs);
  }
}
