import { onAbort } from '../connection/on-abort.js';
import type { ReplyAddress } from './reply-address.js';

interface Waiter {
  readonly resolve: (address: ReplyAddress) => void;
  readonly reject: (error: unknown) => void;
}

/** Those who wait for an address, in order. */
export class AddressWaiters {
  readonly #waiting = new Set<Waiter>();

  get size(): number {
    return this.#waiting.size;
  }

  /** Waits until it is served, or until the signal aborts: never both, so that an address that was handed out is taken. */
  add(signal: AbortSignal): Promise<ReplyAddress> {
    return new Promise((resolve, reject) => {
      let stop = (): void => undefined;
      const leave = (): void => {
        stop();
        this.#waiting.delete(waiter);
      };
      const waiter: Waiter = {
        resolve: (address) => {
          leave();
          resolve(address);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const giveUp = (): void => waiter.reject(signal.reason);
      this.#waiting.add(waiter);
      // Its listener may be called at once.
      stop = onAbort(signal, giveUp);
    });
  }

  /** Hands out addresses as long as there are some. */
  serve(take: () => ReplyAddress | undefined): void {
    for (const waiter of this.#waiting) {
      const address = take();
      if (!address) return;
      waiter.resolve(address);
    }
  }

  rejectAll(error: unknown): void {
    for (const waiter of [...this.#waiting]) waiter.reject(error);
  }
}
