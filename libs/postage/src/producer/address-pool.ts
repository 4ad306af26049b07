import type { Attachment } from '../connection/attachment.js';
import type { Delivery, Link } from '../connection/port.js';
import type { Supervisor } from '../connection/supervisor.js';
import { BrokerError, ConnectionError } from '../errors.js';
import { AddressWaiters } from './address-waiters.js';
import { RestingAddresses } from './resting-addresses.js';
import type { AddressEvents, ReplyAddress } from './reply-address.js';

/** Makes one kind of reply address, on the channels of one link. */
export interface AddressMaker<A extends ReplyAddress> {
  /** How many the present link can have. */
  readonly room: number;
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
  /** As many calls may wait at once; more addresses are never needed. */
  readonly maxCalls: number;
  /** How long an unused address is kept, in milliseconds. */
  readonly idleMs: number;
  /** Told of a reply that no call waits for. */
  readonly onLate: (address: ReplyAddress, delivery: Delivery) => void;
}

/** How long a pool makes no further address after it could not: its connection may have no room for more channels. */
const FULL_MS = 1_000;

/** Addresses of one kind: made when they are needed, kept for further calls, released when they are not. */
export class AddressPool<A extends ReplyAddress> implements Attachment {
  readonly #options: AddressPoolOptions<A>;
  readonly #resting: RestingAddresses<A>;
  readonly #used = new Set<ReplyAddress>();
  /** Between two calls, and not ready yet. */
  readonly #renewing = new Set<ReplyAddress>();
  readonly #gone = new WeakSet<ReplyAddress>();
  readonly #waiters = new AddressWaiters();
  #making = 0;
  #full: NodeJS.Timeout | undefined;
  #isAttached = false;
  #connecting: Promise<void> | undefined;
  #link: Link | undefined;

  constructor(options: AddressPoolOptions<A>) {
    this.#options = options;
    this.#resting = new RestingAddresses(options.idleMs, (address) => options.maker.discard(address));
  }

  /** Addresses that exist: held by calls, ready for the next one, or being made so. */
  get size(): number {
    return this.#used.size + this.#resting.size + this.#renewing.size;
  }

  async restore(link: Link): Promise<void> {
    const { maker, supervisor } = this.#options;
    await maker.restore(link, this.#eventsOn(link));
    this.#link = link;
    this.#makeRoom();
    if (supervisor.link === link) this.#serveWaiters();
    // Not before all else is in place: an address on a link that comes to nothing would be of no use.
    else
      supervisor.ready().then(
        () => this.#serveWaiters(),
        () => undefined,
      );
  }

  lost(error: Error): void {
    this.#link = undefined;
    this.#resting.clear();
    this.#renewing.clear();
    this.#makeRoom();
    const used = [...this.#used];
    this.#used.clear();
    for (const address of used) address.listener?.onLost(error);
    if (error instanceof ConnectionError && error.code === 'CONNECTION_CLOSED')
      this.#waiters.rejectAll(error);
  }

  /** An address, if one is ready right now. */
  tryTake(): ReplyAddress | undefined {
    const address = this.#resting.take();
    if (address) this.#used.add(address);
    return address;
  }

  /** Waits for a connection and an address; the caller gives up through the signal. */
  take(signal: AbortSignal): Promise<ReplyAddress> {
    const taken = this.#waiters.add(signal);
    if (this.#link) this.#serveWaiters();
    // One for all who wait: a promise that each of them waited for would remember them all, however long an outage lasts.
    else if (!this.#connecting) this.#connecting = this.#connect();
    return taken;
  }

  async #connect(): Promise<void> {
    const { supervisor } = this.#options;
    try {
      if (this.#isAttached) await supervisor.ready();
      else await supervisor.attach(this);
      this.#isAttached = true;
    } catch (error) {
      this.#waiters.rejectAll(asError(error));
    } finally {
      this.#connecting = undefined;
    }
    this.#serveWaiters();
  }

  #eventsOn(link: Link): AddressEvents {
    return {
      onDelivery: (address, delivery) => {
        if (address.listener) address.listener.onReply(address, delivery);
        else this.#options.onLate(address, delivery);
      },
      onGone: (address, error) => this.#drop(address as A, error),
      onBroken: (error) => {
        if (this.#link !== link) return;
        this.lost(error);
        void this.#options.supervisor.reattach(this);
      },
      release: (address) => this.#release(address as A, link),
    };
  }

  #release(address: A, link: Link): void {
    address.listener = undefined;
    if (!this.#used.delete(address)) return;
    const renewed = this.#options.maker.renew(address);
    if (typeof renewed === 'boolean') this.#released(address, renewed, link);
    else void this.#renew(address, renewed, link);
  }

  async #renew(address: A, renewed: Promise<boolean>, link: Link): Promise<void> {
    this.#renewing.add(address);
    const isUsable = await renewed.catch(() => false);
    // A link that has ended has taken it along.
    if (this.#renewing.delete(address)) this.#released(address, isUsable, link);
  }

  #released(address: A, isUsable: boolean, link: Link): void {
    if (this.#link !== link) return;
    this.#put(address, isUsable);
    this.#serveWaiters();
  }

  #put(address: A, isUsable: boolean): void {
    if (isUsable && !this.#gone.has(address)) return this.#resting.put(address);
    this.#options.maker.discard(address);
    this.#makeRoom();
  }

  #drop(address: A, error: Error): void {
    // It may be between two calls, or not even made yet.
    this.#gone.add(address);
    this.#resting.remove(address);
    this.#makeRoom();
    if (this.#used.delete(address)) address.listener?.onLost(error);
    this.#serveWaiters();
  }

  #serveWaiters(): void {
    this.#waiters.serve(() => this.tryTake());
    if (this.#full || this.#link === undefined || this.#options.supervisor.link !== this.#link) return;
    const { maker, maxCalls } = this.#options;
    const room = Math.min(maxCalls, maker.room) - this.size;
    const wanted = Math.min(this.#waiters.size, maker.concurrency, room) - this.#making;
    for (let count = wanted; count > 0; count -= 1) void this.#make();
  }

  async #make(): Promise<void> {
    const link = this.#link;
    if (!link) return;
    this.#making += 1;
    try {
      const address = await this.#options.maker.make();
      if (this.#link === link) this.#put(address, true);
    } catch (error) {
      // A link that has ended is replaced, and those who wait go on waiting. What is refused takes the channel along.
      if (this.#link === link || isRefusal(error)) this.#onRefused(error);
    } finally {
      this.#making -= 1;
      this.#serveWaiters();
    }
  }

  /** What the broker refuses is told to all who wait. Where something else went wrong, they can share what there is. */
  #onRefused(error: unknown): void {
    const isRefusedByBroker = error instanceof BrokerError && error.amqpCode !== undefined;
    // This one is still counted among those that are being made.
    if (isRefusedByBroker || this.size + this.#making === 1) return this.#waiters.rejectAll(asError(error));
    this.#full ??= setTimeout(() => {
      this.#makeRoom();
      this.#serveWaiters();
    }, FULL_MS).unref();
  }

  #makeRoom(): void {
    clearTimeout(this.#full);
    this.#full = undefined;
  }
}

/** Errors that end a channel, and nothing else. @see https://www.rabbitmq.com/docs/channels#error-handling */
const CHANNEL_ERRORS: ReadonlySet<number | undefined> = new Set([311, 313, 403, 404, 405, 406]);

const isRefusal = (error: unknown): boolean =>
  error instanceof BrokerError && CHANNEL_ERRORS.has(error.amqpCode);

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
