import type { ChannelPort, Delivery, Link } from '../connection/port.js';
import type { Attachment } from '../connection/attachment.js';
import type { Supervisor } from '../connection/supervisor.js';
import { ConnectionError } from '../errors.js';

/** A private queue that replies come to; one call uses it at a time. */
export interface ReplyAddress {
  readonly name: string;
  /** Where replies go while a call uses it. */
  onReply: ((delivery: Delivery) => void) | undefined;
  /** Told when the queue is gone, with its connection. */
  onLost: ((error: Error) => void) | undefined;
}

/**
 * How many queues are opened at a time. A channel takes one such request after the other anyhow, and while it does, calls
 * end and free their queues: a burst of a thousand quick calls needs a few dozen queues, not a thousand.
 */
const MAX_OPENING = 4;

interface Waiter {
  readonly resolve: (address: ReplyAddress) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Private reply queues, pooled: one per call in flight, so that a reply needs no correlation id to find its call
 * (Python Postage sends none). A queue is used again only after a call that got its one reply at the first attempt;
 * any other might still get a late one, and is deleted.
 */
export class ReplyPool implements Attachment {
  readonly #supervisor: Supervisor;
  readonly #max: number;
  /** The one that rested longest is taken first. */
  readonly #free: ReplyAddress[] = [];
  readonly #used = new Set<ReplyAddress>();
  readonly #waiters = new Set<Waiter>();
  #opening = 0;
  #attached: Promise<void> | undefined;
  #channel: ChannelPort | undefined;

  constructor(supervisor: Supervisor, max: number) {
    this.#supervisor = supervisor;
    this.#max = max;
  }

  /** Calls that hold a queue. */
  get inUse(): number {
    return this.#used.size;
  }

  async restore(link: Link): Promise<void> {
    const channel = await link.openChannel();
    channel.onClosed((error) => {
      if (this.#channel !== channel || error === undefined) return;
      this.lost(error);
      void this.#supervisor.reattach(this);
    });
    this.#channel = channel;
    this.#serveWaiters();
  }

  lost(error: Error): void {
    this.#channel = undefined;
    this.#free.length = 0;
    const used = [...this.#used];
    this.#used.clear();
    for (const address of used) address.onLost?.(error);
    if (error instanceof ConnectionError && error.code === 'CONNECTION_CLOSED') this.#rejectWaiters(error);
  }

  /** Waits for a queue: a connection, and room below the cap; the caller gives up through the signal. */
  async acquire(signal: AbortSignal): Promise<ReplyAddress> {
    this.#attached ??= this.#attach();
    await raceAbort(this.#attached, signal);
    await raceAbort(this.#supervisor.ready(), signal);
    return this.tryAcquire() ?? this.#wait(signal);
  }

  /** @param clean the call got its one reply, and no other can be on its way */
  release(address: ReplyAddress, clean: boolean): void {
    address.onReply = undefined;
    address.onLost = undefined;
    if (!this.#used.delete(address)) return;
    if (clean && this.#channel?.isOpen) this.#free.push(address);
    else this.#retire(address);
    this.#serveWaiters();
  }

  /** Deletes a queue that no call will use again. When the channel is gone, so is the queue. */
  #retire(address: ReplyAddress): void {
    this.#channel?.deleteQueue(address.name).catch(() => undefined);
  }

  async #attach(): Promise<void> {
    try {
      await this.#supervisor.attach(this);
    } catch (error) {
      this.#attached = undefined;
      throw error;
    }
  }

  /** The broker deleted a queue: nobody can be answered there any more. */
  #drop(address: ReplyAddress): void {
    const index = this.#free.indexOf(address);
    if (index >= 0) this.#free.splice(index, 1);
    this.#used.delete(address);
    address.onLost?.(new ConnectionError('CONNECTION_LOST', `the reply queue "${address.name}" was deleted`));
    this.#serveWaiters();
  }

  /** A free queue, if there is one right now. */
  tryAcquire(): ReplyAddress | undefined {
    const address = this.#free.shift();
    if (address) this.#used.add(address);
    return address;
  }

  #wait(signal: AbortSignal): Promise<ReplyAddress> {
    return new Promise<ReplyAddress>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        reject(signal.reason);
      };
      const finish =
        <T>(settle: (value: T) => void) =>
        (value: T): void => {
          signal.removeEventListener('abort', onAbort);
          settle(value);
        };
      const waiter: Waiter = { resolve: finish(resolve), reject: finish(reject) };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
      this.#serveWaiters();
    });
  }

  #serveWaiters(): void {
    for (const waiter of this.#waiters) {
      const address = this.tryAcquire();
      if (!address) break;
      this.#waiters.delete(waiter);
      waiter.resolve(address);
    }
    const room = this.#max - this.#used.size - this.#free.length - this.#opening;
    const wanted = Math.min(this.#waiters.size, MAX_OPENING) - this.#opening;
    for (let count = Math.min(wanted, room); count > 0; count -= 1) void this.#open();
  }

  async #open(): Promise<void> {
    const channel = this.#channel;
    if (!channel) return;
    this.#opening += 1;
    try {
      const address = await openReplyQueue(channel, (deleted) => this.#drop(deleted));
      if (this.#channel === channel) this.#free.push(address);
    } catch (error) {
      // The channel's end is handled by its listener; a refusal is for those who wait.
      if (channel.isOpen) this.#rejectWaiters(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#opening -= 1;
      this.#serveWaiters();
    }
  }

  #rejectWaiters(error: Error): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(error);
  }
}

const openReplyQueue = async (
  channel: ChannelPort,
  onDeleted: (address: ReplyAddress) => void,
): Promise<ReplyAddress> => {
  const flags = {
    durable: false,
    exclusive: true,
    autoDelete: true,
    arguments: {},
    declare: 'assert',
  } as const;
  const { queue } = await channel.assertQueue({ name: '', ...flags });
  const address: ReplyAddress = { name: queue, onReply: undefined, onLost: undefined };
  // A delivery outside a call is a late reply; `onReply` is gone by then and nobody is misled.
  const onDelivery = (delivery: Delivery | null): void => {
    if (delivery) address.onReply?.(delivery);
    else onDeleted(address);
  };
  await channel.consume(queue, onDelivery, { noAck: true, exclusive: true });
  return address;
};

const raceAbort = async (work: Promise<unknown>, signal: AbortSignal): Promise<void> => {
  signal.throwIfAborted();
  let onAbort = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
};
