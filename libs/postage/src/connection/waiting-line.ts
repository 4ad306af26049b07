/** What can stand in a line knows its neighbours, so that it can leave from anywhere at once. */
export interface InLine<T> {
  previous: T | undefined;
  next: T | undefined;
}

/** First in, first out, for those that may lose patience: a hundred thousand of them can leave in any order. */
export class WaitingLine<T extends InLine<T>> {
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get first(): T | undefined {
    return this.#first;
  }

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    item.previous = this.#last;
    item.next = undefined;
    if (this.#last) this.#last.next = item;
    else this.#first = item;
    this.#last = item;
    this.#size += 1;
  }

  /** Of one that stands in it. */
  remove(item: T): void {
    const { previous, next } = item;
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    item.previous = undefined;
    item.next = undefined;
    this.#size -= 1;
  }

  *[Symbol.iterator](): Generator<T> {
    for (let item = this.#first; item !== undefined;) {
      // It may leave while it is looked at.
      const { next } = item;
      yield item;
      item = next;
    }
  }
}
