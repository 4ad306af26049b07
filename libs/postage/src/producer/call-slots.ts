import { onAbort } from '../connection/on-abort.js';
import { Line } from '../connection/line.js';

/** So many may stand in line who have given up. */
const MAX_GONE = 1_024;

/** How many calls may be in flight: a counting semaphore whose waiters are served in order and may give up. */
export class CallSlots {
  readonly max: number;
  #taken = 0;
  readonly #waiting = new Set<() => void>();
  /** The same in order, and some that have given up. */
  readonly #line: Line<() => void>;

  constructor(max: number, line = new Line<() => void>()) {
    this.max = max;
    this.#line = line;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** A slot, if one is free right now. */
  tryTake(): boolean {
    if (this.#taken >= this.max) return false;
    this.#taken += 1;
    return true;
  }

  /** Waits for a slot; rejects with the signal's reason when that comes first. */
  take(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiting.delete(serve);
        this.#moveUp();
        reject(signal.reason);
      };
      const serve = (): void => {
        stop();
        resolve();
      };
      if (signal.aborted) return giveUp();
      if (this.tryTake()) return resolve();
      const stop = onAbort(signal, giveUp);
      this.#waiting.add(serve);
      this.#line.push(serve);
    });
  }

  release(): void {
    const next = this.#next();
    // The slot changes hands: it is not free in between, so nobody can overtake.
    if (next) next();
    else this.#taken -= 1;
  }

  /** Those who have given up leave the line when they are the larger part of it. */
  #moveUp(): void {
    if (this.#line.size <= MAX_GONE || this.#line.size < 2 * this.#waiting.size) return;
    this.#line.clear();
    for (const serve of this.#waiting) this.#line.push(serve);
  }

  #next(): (() => void) | undefined {
    for (let next = this.#line.shift(); next !== undefined; next = this.#line.shift())
      if (this.#waiting.delete(next)) return next;
    return undefined;
  }
}
