/** The time of one call: it begins with the call, whatever has to be waited for before anything can be sent. */
export class CallClock {
  readonly #startedMs = performance.now();
  readonly #timeoutMs: number;
  readonly #maxAttempts: number;

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
   * The attempts of a call that can begin only now: time that has gone by is taken from the first ones.
   * `leftOf(n)`: until the n-th of these ends, counted from the beginning of the call, so that late timers do not add up.
   */
  attempts(): { readonly count: number; readonly leftOf: (attempt: number) => number } {
    const missed = Math.floor(this.elapsedMs / this.#timeoutMs);
    return {
      count: Math.max(0, this.#maxAttempts - missed),
      leftOf: (attempt) => Math.max(1, (missed + attempt) * this.#timeoutMs - this.elapsedMs),
    };
  }
}
