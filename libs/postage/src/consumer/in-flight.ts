import { deferred, type Deferred } from '../connection/deferred.js';
import { settleWithin } from '../connection/settle-within.js';

/** Counts what runs, and waits until nothing does. */
export class InFlight {
  #count = 0;
  /** Waits for the last one. */
  #idle: Deferred<void> | undefined;

  get count(): number {
    return this.#count;
  }

  begin(): void {
    this.#count += 1;
  }

  end(): void {
    this.#count -= 1;
    if (this.#count > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  /** Waits until nothing runs; how many still do when the limit is over. */
  async untilIdle(limitMs: number): Promise<number> {
    if (this.#count === 0) return 0;
    this.#idle ??= deferred();
    await settleWithin(this.#idle.promise, limitMs);
    return this.#count;
  }
}
