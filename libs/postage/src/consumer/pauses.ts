/** Which queues are paused, those included that are consumed later. */
export class Pauses {
  /** Of queues by name; all others are as `#isAll` says. */
  readonly #named = new Map<string, boolean>();
  readonly #spared = new Set<string>();
  #isAll = false;

  /** Pausing everything leaves this queue alone; by its name it can still be paused. */
  spare(queue: string): void {
    this.#spared.add(queue);
  }

  isSpared(queue: string): boolean {
    return this.#spared.has(queue);
  }

  isPaused(queue: string): boolean {
    return this.#named.get(queue) ?? (this.#isAll && !this.#spared.has(queue));
  }

  /** @param queues undefined: all, now and later */
  set(queues: readonly string[] | undefined, isPaused: boolean): void {
    if (queues === undefined) {
      this.#named.clear();
      this.#isAll = isPaused;
    }
    for (const queue of queues ?? []) this.#named.set(queue, isPaused);
  }

  /** It is consumed no more. */
  forget(queue: string): void {
    this.#named.delete(queue);
  }
}
