import { longTimeout } from '../connection/long-timeout.js';
import { InvalidOptionError } from '../errors.js';
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
  #failure: { readonly error: unknown } | undefined;
  readonly #onClosed: (() => void)[] = [];

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

  /** Called by the producer when no reply can come any more: whoever reads on is told, behind the replies that have come. */
  fail(error: unknown): void {
    if (this.#closed) return;
    this.#failure = { error };
    this.close();
  }

  /**
   * Resolves with `count` replies, or with fewer when `timeoutMs` milliseconds are over or the queue is closed.
   * @param timeoutMs `Infinity`: as long as it takes
   * @throws {InvalidOptionError} one of the two is no such number
   * @throws {ConnectionError} the queue is gone, with its connection; what has come is still there for another `take`
   * @throws {PublishError} ABORTED: the signal of the call
   */
  async take(count: number, timeoutMs: number): Promise<RpcResult<V>[]> {
    checkTake(count, timeoutMs);
    const taken: RpcResult<V>[] = [];
    const endMs = performance.now() + timeoutMs;
    try {
      while (taken.length < count) {
        const reply = await this.#next(endMs);
        if (reply === undefined) break;
        taken.push(reply);
      }
    } catch (error) {
      this.#arrived.unshift(...taken);
      throw error;
    }
    return taken;
  }

  /** Every reply, until the queue is closed. @throws {ConnectionError} the queue is gone, with its connection */
  [Symbol.asyncIterator](): AsyncIterator<RpcResult<V>, undefined> {
    const done = { done: true, value: undefined } as const;
    return {
      next: async () => {
        const value = await this.#next();
        return value === undefined ? done : { done: false, value };
      },
      return: () => {
        this.close();
        return Promise.resolve(done);
      },
    };
  }

  /** Deletes the queue and ends every wait. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#delete();
    this.#wake();
    for (const listener of this.#onClosed.splice(0)) listener();
  }

  /** Called by the producer: what is to be done when the queue is closed, for whatever reason. */
  onClosed(listener: () => void): void {
    if (this.#closed) listener();
    else this.#onClosed.push(listener);
  }

  /** For the producer: rejects when the queue fails; never resolves. */
  get failed(): Promise<never> {
    return new Promise((_, reject) => {
      this.onClosed(() => {
        if (this.#failure) reject(this.#failure.error);
      });
    });
  }

  /** The next reply; undefined when the queue is closed or the time is over. */
  async #next(endMs = Infinity): Promise<RpcResult<V> | undefined> {
    while (this.#arrived.length === 0 && !this.#closed) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) return undefined;
      await this.#arrival(leftMs);
    }
    const reply = this.#arrived.shift();
    if (reply === undefined && this.#failure) throw this.#failure.error;
    return reply;
  }

  #arrival(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        stopTimer();
        this.#wakers.delete(wake);
        resolve();
      };
      const stopTimer = longTimeout(wake, limitMs);
      this.#wakers.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }
}

const checkTake = (count: number, timeoutMs: number): void => {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new InvalidOptionError('count', `must be a whole number of at least 0, not ${String(count)}.`);
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 0))
    throw new InvalidOptionError('timeoutMs', `must be a number of milliseconds, not ${String(timeoutMs)}.`);
};
