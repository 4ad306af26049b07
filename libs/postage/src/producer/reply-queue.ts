import type { RpcResult } from '../wire/rpc-result.js';

/**
 * The private queue of one rpc, handed to the caller instead of a reply (`with({ queueOnly: true })`): for requests that
 * several components answer. Iterate over it, or `take` a number of replies; `close` it when done, which deletes it.
 * Leaving a `for await` loop closes it.
 */
export class ReplyQueue<V = unknown> implements AsyncIterable<RpcResult<V>> {
  readonly #delete: () => void;
  readonly #arrived: RpcResult<V>[] = [];
  readonly #wakers = new Set<() => void>();
  #closed = false;

  constructor(
    /** The queue's name at the broker: the request's `reply_to`. */
    readonly name: string,
    deleteQueue: () => void,
  ) {
    this.#delete = deleteQueue;
  }

  /** Called by the producer for every reply. */
  push(reply: RpcResult<V>): void {
    if (this.#closed) return;
    this.#arrived.push(reply);
    this.#wake();
  }

  /** Resolves with `count` replies, or with fewer when `timeoutMs` milliseconds are over or the queue is closed. */
  async take(count: number, timeoutMs: number): Promise<RpcResult<V>[]> {
    const taken: RpcResult<V>[] = [];
    const endMs = performance.now() + timeoutMs;
    while (taken.length < count) {
      const reply = this.#arrived.shift() ?? (await this.#next(endMs - performance.now()));
      if (reply === undefined) break;
      taken.push(reply);
    }
    return taken;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RpcResult<V>, void, undefined> {
    try {
      for (let reply = await this.#next(); reply !== undefined; reply = await this.#next()) yield reply;
    } finally {
      this.close();
    }
  }

  /** Deletes the queue and ends every wait. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#delete();
    this.#wake();
  }

  /** The next reply; undefined when the queue is closed or the time is over. */
  async #next(waitMs?: number): Promise<RpcResult<V> | undefined> {
    const endMs = waitMs === undefined ? undefined : performance.now() + waitMs;
    while (this.#arrived.length === 0 && !this.#closed) {
      const leftMs = endMs === undefined ? undefined : endMs - performance.now();
      if (leftMs !== undefined && leftMs <= 0) return undefined;
      await this.#arrival(leftMs);
    }
    return this.#arrived.shift();
  }

  #arrival(limitMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        resolve();
      };
      const timer = limitMs === undefined ? undefined : setTimeout(wake, limitMs);
      this.#wakers.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }
}
