/** Repeats a check until it passes, for what no event tells (the broker's own view); fails with its last error. */
export const eventually = async <T>(check: () => T | Promise<T>, limitMs = 15_000): Promise<T> => {
  const endMs = performance.now() + limitMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
};

/** Collects what arrives, and resolves once there is enough of it. */
export class Inbox<T> {
  readonly items: T[] = [];
  readonly #waiters = new Set<() => void>();

  readonly push = (item: T): void => {
    this.items.push(item);
    for (const wake of this.#waiters) wake();
  };

  /** The first `count` items; rejects when they do not come within `limitMs`. */
  async take(count: number, limitMs = 10_000): Promise<T[]> {
    if (this.items.length < count) await this.#wait(count, limitMs);
    return this.items.slice(0, count);
  }

  #wait(count: number, limitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        settle();
      };
      const check = (): void => {
        if (this.items.length >= count) finish(resolve);
      };
      const timer = setTimeout(() => {
        const error = new Error(
          `${this.items.length} of ${count} items came within ${limitMs} ms: ${JSON.stringify(this.items)}`,
        );
        finish(() => reject(error));
      }, limitMs);
      this.#waiters.add(check);
    });
  }
}
