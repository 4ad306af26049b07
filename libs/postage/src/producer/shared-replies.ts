import type { Delivery } from '../connection/port.js';
import type { AddressPool } from './address-pool.js';
import type { ReplyAddress, ReplyListener } from './reply-address.js';

export interface SharedRepliesOptions {
  /** Of addresses that serve any number of calls; one of them is in use at a time. */
  readonly pool: Pick<AddressPool<ReplyAddress>, 'tryTake' | 'take'>;
  /** Told of a reply that no call waits for. */
  readonly onLate: (address: ReplyAddress, delivery: Delivery) => void;
  /** Told of a reply without a correlation id, once the calls that it may be for have been told. */
  readonly onAmbiguous: (address: ReplyAddress) => void;
  /** Told why there is no address. */
  readonly onRefused: (error: unknown) => void;
}

/** How long an address is asked for, in milliseconds: by then perhaps no call needs it any more. */
const PATIENCE_MS = 30_000;
/** How long none is asked for after there was none to be had. */
const REFUSED_MS = 10_000;

/**
 * One address for all calls whose replies carry correlation ids. It is held while calls use it, and rests in its pool in
 * between. Nobody waits for it: there is always another kind.
 */
export class SharedReplies implements ReplyListener {
  readonly #options: SharedRepliesOptions;
  readonly #calls = new Map<string, SharedAddress>();
  #held: ReplyAddress | undefined;
  #isAsking = false;
  #refusedMs = -Infinity;

  constructor(options: SharedRepliesOptions) {
    this.#options = options;
  }

  /** The address, for replies with this correlation id. Where there is none yet, one is made for later calls. */
  tryTake(correlationId: string): ReplyAddress | undefined {
    this.#held ??= this.#takeOne();
    if (this.#held === undefined) {
      void this.#askForOne();
      return undefined;
    }
    const address = new SharedAddress(this.#held.name, correlationId, this);
    this.#calls.set(correlationId, address);
    return address;
  }

  #takeOne(): ReplyAddress | undefined {
    const address = this.#options.pool.tryTake();
    if (address) address.listener = this;
    return address;
  }

  async #askForOne(): Promise<void> {
    if (this.#isAsking || performance.now() - this.#refusedMs < REFUSED_MS) return;
    this.#isAsking = true;
    try {
      const address = await this.#options.pool.take(AbortSignal.timeout(PATIENCE_MS));
      // It rests until the next call takes it.
      address.release();
    } catch (error) {
      this.#refusedMs = performance.now();
      this.#options.onRefused(error);
    } finally {
      this.#isAsking = false;
    }
  }

  onReply(held: ReplyAddress, delivery: Delivery): void {
    // An empty id is none.
    const correlationId = delivery.properties.correlationId || undefined;
    if (correlationId === undefined) return this.#onUnnamed(held, delivery);
    const address = this.#calls.get(correlationId);
    if (address?.listener) address.listener.onReply(address, delivery);
    else this.#options.onLate(held, delivery);
  }

  #onUnnamed(held: ReplyAddress, delivery: Delivery): void {
    const suspects: ReplyListener[] = [];
    for (const { listener } of this.#calls.values()) if (listener?.isInQuestion) suspects.push(listener);
    if (suspects.length === 0) return this.#options.onLate(held, delivery);
    for (const listener of suspects) listener.onAmbiguous?.(suspects.length === 1);
    this.#options.onAmbiguous(held);
  }

  onLost(error: Error): void {
    this.#held = undefined;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { listener } of calls) listener?.onLost(error);
  }

  /** Called by its addresses. */
  release(correlationId: string): void {
    if (!this.#calls.delete(correlationId) || this.#calls.size > 0) return;
    this.#held?.release();
    this.#held = undefined;
  }
}

/** The part that one call has in it. */
class SharedAddress implements ReplyAddress {
  readonly name: string;
  listener: ReplyListener | undefined;
  readonly #correlationId: string;
  readonly #replies: SharedReplies;

  constructor(name: string, correlationId: string, replies: SharedReplies) {
    this.name = name;
    this.#correlationId = correlationId;
    this.#replies = replies;
  }

  release(): void {
    this.listener = undefined;
    this.#replies.release(this.#correlationId);
  }
}
