import type { Attachment } from '../connection/attachment.js';
import type { Delivery, Link } from '../connection/port.js';
import type { Supervisor } from '../connection/supervisor.js';
import { BrokerError, ConnectionError } from '../errors.js';
import { raceAbort } from './race-abort.js';
import { RestingAddresses } from './resting-addresses.js';
import type { AddressEvents, ReplyAddress } from './reply-address.js';

/** Makes one kind of reply address, on the channels of one link. */
export interface AddressMaker<A extends ReplyAddress> {
  /** How many are made at a time. */
  readonly concurrency: number;
  restore(link: Link, events: AddressEvents): Promise<void>;
  make(): Promise<A>;
  /** Prepares an address for its next call; false: it can have none. */
  renew(address: A): boolean | Promise<boolean>;
  /** Takes it off the broker. When its channel is gone, so is the address. */
  discard(address: A): void;
}

export interface AddressPoolOptions<A extends ReplyAddress> {
  readonly supervisor: Supervisor;
  readonly maker: AddressMaker<A>;
  /** How long an unused address is kept, in milliseconds. */
  readonly idleMs: number;
  /** Told of a reply that no call waits for. */
  readonly onLate: (address: ReplyAddress, delivery: Delivery) => void;
}

interface Waiter {
  readonly resolve: (address: ReplyAddress) => void;
  readonly reject: (error: Error) => void;
}

/** Addresses of one kind: made when they are needed, kept for further calls, released when they are not. */
export class AddressPool<A extends ReplyAddress> implements Attachment {
  readonly #options: AddressPoolOptions<A>;
  readonly #resting: RestingAddresses<A>;
  readonly #used = new Set<ReplyAddress>();
  readonly #waiters = new Set<Waiter>();
  #making = 0;
  /** A connection has room for so many channels: those beyond wait until one is free. */
  #ceiling = Infinity;
  #attached: Promise<void> | undefined;
  #link: Link | undefined;

  constructor(options: AddressPoolOptions<A>) {
    this.#options = options;
    this.#resting = new RestingAddresses(options.idleMs, (address) => options.maker.discard(address));
  }

  /** Addresses that exist, held by calls or ready for the next one. */
  get size(): number {
    return this.#used.size + this.#resting.size;
  }

  async restore(link: Link): Promise<void> {
    await this.#options.maker.restore(link, this.#eventsOn(link));
    this.#link = link;
    this.#ceiling = Infinity;
    this.#serveWaiters();
  }

  lost(error: Error): void {
    this.#link = undefined;
    this.#resting.clear();
    const used = [...this.#used];
    this.#used.clear();
    for (const address of used) address.onLost?.(error);
    if (error instanceof ConnectionError && error.code === 'CONNECTION_CLOSED') this.#rejectWaiters(error);
  }

  /** An address, if one is ready right now. */
  tryTake(): ReplyAddress | undefined {
    const address = this.#resting.take();
    if (address) this.#used.add(address);
    return address;
  }

  /** Waits for a connection and an address; the caller gives up through the signal. */
  async take(signal: AbortSignal): Promise<ReplyAddress> {
    this.#attached ??= this.#attach();
    await raceAbort(this.#attached, signal);
    await raceAbort(this.#options.supervisor.ready(), signal);
    return this.tryTake() ?? this.#wait(signal);
  }

  async #attach(): Promise<void> {
    try {
      await this.#options.supervisor.attach(this);
    } catch (error) {
      this.#attached = undefined;
      throw error;
    }
  }

  #eventsOn(link: Link): AddressEvents {
    return {
      onDelivery: (address, delivery) => {
        if (address.onReply) address.onReply(delivery);
        else this.#options.onLate(address, delivery);
      },
      onGone: (address, error) => this.#drop(address as A, error),
      onBroken: (error) => {
        if (this.#link !== link) return;
        this.lost(error);
        void this.#options.supervisor.reattach(this);
      },
      release: (address) => void this.#release(address as A, link),
    };
  }

  async #release(address: A, link: Link): Promise<void> {
    address.onReply = undefined;
    address.onLost = undefined;
    if (!this.#used.delete(address)) return;
    const renewed = this.#options.maker.renew(address);
    const usable = typeof renewed === 'boolean' ? renewed : await renewed.catch(() => false);
    // A link that has ended has taken it along.
    if (this.#link !== link) return;
    if (usable) this.#resting.put(address);
    else this.#options.maker.discard(address);
    this.#serveWaiters();
  }

  #drop(address: A, error: Error): void {
    this.#resting.remove(address);
    if (!this.#used.delete(address)) return;
    address.onLost?.(error);
    this.#serveWaiters();
  }

  /** No race with the signal: an address that was handed out must reach somebody who gives it back. */
  #wait(signal: AbortSignal): Promise<ReplyAddress> {
    return new Promise<ReplyAddress>((resolve, reject) => {
      const leave = (): void => {
        signal.removeEventListener('abort', giveUp);
        this.#waiters.delete(waiter);
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
      const giveUp = (): void => waiter.reject(signal.reason as Error);
      signal.addEventListener('abort', giveUp, { once: true });
      this.#waiters.add(waiter);
      this.#serveWaiters();
    });
  }

  #serveWaiters(): void {
    for (const waiter of [...this.#waiters]) {
      const address = this.tryTake();
      if (!address) break;
      waiter.resolve(address);
    }
    const wanted =
      Math.min(this.#waiters.size, this.#options.maker.concurrency, this.#ceiling - this.size) - this.#making;
    for (let count = wanted; count > 0; count -= 1) void this.#make();
  }

  async #make(): Promise<void> {
    const link = this.#link;
    if (!link) return;
    this.#making += 1;
    try {
      const address = await this.#options.maker.make();
      if (this.#link === link) this.#resting.put(address);
    } catch (error) {
      // A link that has ended is replaced, and those who wait go on waiting.
      if (this.#link === link) this.#onRefused(error);
    } finally {
      this.#making -= 1;
      this.#serveWaiters();
    }
  }

  #onRefused(error: unknown): void {
    const isRefusedByBroker = error instanceof BrokerError && error.amqpCode !== undefined;
    if (this.size > 0 && !isRefusedByBroker) this.#ceiling = this.size;
    else this.#rejectWaiters(error instanceof Error ? error : new Error(String(error)));
  }

  #rejectWaiters(error: Error): void {
    for (const waiter of [...this.#waiters]) waiter.reject(error);
  }
}
