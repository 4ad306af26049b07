import type { ChannelPort, Delivery, Link } from '../connection/port.js';
import { ConnectionError } from '../errors.js';
import { PRIVATE_QUEUE } from '../topology/private-queue.js';
import type { AddressMaker } from './address-pool.js';
import type { AddressEvents, ReplyAddress } from './reply-address.js';

/** Reply addresses that are queues: exclusive, auto-delete, named by the broker, consumed without acks. */
export class PrivateQueues implements AddressMaker<ReplyAddress> {
  /**
   * A channel takes one such request after the other anyhow, and while it does, calls end and free their queues: a
   * burst of a thousand quick calls needs a few dozen queues, not a thousand.
   */
  readonly concurrency = 4;
  readonly room = Infinity;
  readonly #reusable: boolean;
  #channel: ChannelPort | undefined;
  #events: AddressEvents | undefined;

  /** @param reusable for replies that carry a correlation id; otherwise each queue serves one call */
  constructor(reusable: boolean) {
    this.#reusable = reusable;
  }

  async restore(link: Link, events: AddressEvents): Promise<void> {
    const channel = await link.openChannel();
    channel.onClosed((error) => {
      if (this.#channel === channel && error !== undefined) events.onBroken(error);
    });
    this.#channel = channel;
    this.#events = events;
  }

  async make(): Promise<ReplyAddress> {
    const [channel, events] = [this.#channel, this.#events];
    if (!channel || !events) throw new ConnectionError('CONNECTION_LOST', 'there is no channel for replies');
    const { queue } = await channel.assertQueue(PRIVATE_QUEUE);
    const address: ReplyAddress = {
      name: queue,
      listener: undefined,
      release: () => events.release(address),
    };
    const onDelivery = (delivery: Delivery | null): void => {
      if (delivery) events.onDelivery(address, delivery);
      else events.onGone(address, deletedError(queue));
    };
    await channel.consume(queue, onDelivery, { noAck: true, exclusive: true });
    return address;
  }

  renew(): boolean {
    return this.#reusable;
  }

  discard(address: ReplyAddress): void {
    this.#channel?.deleteQueue(address.name).catch(() => undefined);
  }
}

const deletedError = (queue: string): Error =>
  new ConnectionError('CONNECTION_LOST', `the reply queue "${queue}" was deleted`);
