import { delayMs, type Backoff } from './backoff.js';

/** As which attempt a connection counts that was lost soon, at most: the operator may have closed it. */
const MAX_AFTER_LOSS = 4;

/**
 * Counts attempts, and says how long to wait before the next one. A success does not end the count: only one that lasts
 * does, so that a broker which accepts connections and drops them at once is not asked ever faster.
 */
export class Attempts {
  readonly #backoff: Backoff;
  readonly #random: () => number;
  #count = 0;
  #succeededAtMs: number | undefined;

  constructor(backoff: Backoff, random: () => number) {
    this.#backoff = backoff;
    this.#random = random;
  }

  /** The number of the attempt that begins now, 1 for the first. */
  begin(): number {
    this.#count += 1;
    return this.#count;
  }

  succeeded(nowMs = performance.now()): void {
    this.#succeededAtMs = nowMs;
  }

  /** What had succeeded has been lost. */
  lost(nowMs = performance.now()): void {
    const lastedMs = nowMs - (this.#succeededAtMs ?? nowMs);
    this.#count = lastedMs >= this.#backoff.stableAfterMs ? 0 : Math.min(this.#count, MAX_AFTER_LOSS);
  }

  /** Also before the first one after a loss: a fleet that has lost its broker together does not come back together. */
  nextDelayMs(): number {
    return delayMs(this.#backoff, Math.max(1, this.#count), this.#random());
  }
}
