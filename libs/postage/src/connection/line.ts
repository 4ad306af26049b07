/** Beyond so many that have left, those who stand in line move up. */
const MAX_GONE = 1_024;

/**
 * First in, first out. A `Map` or `Set` is none: looking for its first entry passes over all that were deleted before it, and an
 * array that is long moves all of its items. Undefined is no item.
 */
export class Line<T extends object> {
  readonly #items: (T | undefined)[] = [];
  /** Where the first one stands. */
  #head = 0;

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the first one off. */
  shift(): T | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) this.clear();
    // Each one moves at most once for each that has left.
    else if (this.#head > MAX_GONE && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return first;
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
  }
}
