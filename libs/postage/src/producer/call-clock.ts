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
   * How many attempts a call has that can begin only now: time that has gone by is taken from the first ones. The first
   * that is left ends when its time would have ended anyway.
   */
  attemptsLeft(): number {
    return Math.ceil(this.leftMs / this.#timeoutMs);
  }
}
