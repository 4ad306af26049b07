/**
 * What rests between two calls. The one used last is taken first, so that those beyond the present need grow old
 * together; one that has rested for `idleMs` is let go.
 */
export class RestingAddresses<A> {
  readonly #idleMs: number;
  readonly #discard: (address: A) => void;
  readonly #resting: { readonly address: A; readonly sinceMs: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(idleMs: number, discard: (address: A) => void) {
    this.#idleMs = idleMs;
    this.#discard = discard;
  }

  get size(): number {
    return this.#resting.length;
  }

  put(address: A): void {
    this.#resting.push({ address, sinceMs: performance.now() });
    this.#timer ??= this.#sweepIn(this.#idleMs);
  }

  take(): A | undefined {
    return this.#resting.pop()?.address;
  }

  remove(address: A): void {
    const index = this.#resting.findIndex((each) => each.address === address);
    if (index >= 0) this.#resting.splice(index, 1);
  }

  clear(): void {
    this.#resting.length = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Nobody should have to wait for it in order to end. */
  #sweepIn(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#sweep(), ms).unref();
  }

  #sweep(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    // The oldest stand in front.
    while (this.#ageOfOldest(nowMs) >= this.#idleMs) {
      const oldest = this.#resting.shift();
      if (oldest) this.#discard(oldest.address);
    }
    if (this.#resting.length > 0) this.#timer = this.#sweepIn(this.#idleMs - this.#ageOfOldest(nowMs));
  }

  #ageOfOldest(nowMs: number): number {
    const [oldest] = this.#resting;
    return oldest === undefined ? -1 : nowMs - oldest.sinceMs;
  }
}
