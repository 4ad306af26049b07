/** Repeats a check until it passes, for what no event tells (the broker's own view); fails with its last error. */
export const eventually = async (check, limitMs = 15_000) => {
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
export class Inbox {
  items = [];
  #waiters = new Set();
  push = (item) => {
    this.items.push(item);
    for (const wake of this.#waiters) wake();
  };
  /** The first `count` items; rejects when they do not come within `limitMs`. */
  async take(count, limitMs = 10_000) {
    if (this.items.length < count) await this.#wait(count, limitMs);
    return this.items.slice(0, count);
  }
  #wait(count, limitMs) {
    return new Promise((resolve, reject) => {
      const finish = (settle) => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        settle();
      };
      const check = () => {
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
