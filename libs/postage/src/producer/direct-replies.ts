import { deferred } from '../connection/deferred.js';
import type { ChannelPort, Delivery, Link, OutgoingMessage } from '../connection/port.js';
import { MAX_OWN_CHANNELS } from '../connection/publisher.js';
import { BrokerError, ConnectionError } from '../errors.js';
import type { AddressMaker } from './address-pool.js';
import type { AddressEvents, ReplyAddress } from './reply-address.js';

/** The broker's name for replies without a queue. @see https://www.rabbitmq.com/docs/direct-reply-to */
const DIRECT = 'amq.rabbitmq.reply-to';
/** Nobody can declare a queue whose name begins with `amq.`: what is sent there comes back. */
const NOWHERE = 'amq.postage-nowhere';

/** For publishing to many exchanges and declaring, and their successors while a channel that has failed is still being closed. */
const RESERVED_CHANNELS = MAX_OWN_CHANNELS + 8;
/** But never more than a part of what there is. */
const RESERVED_SHARE = 0.25;

export interface DirectAddress extends ReplyAddress {
  readonly channel: ChannelPort;
  consumerTag: string;
  /** Waits for the probe that tells the address's name. */
  onProbe: ((name: string | undefined) => void) | undefined;
}

/**
 * Reply addresses that serve one call each, without a queue: a consumer of direct reply-to has a name that is never given
 * again, and starting another one costs hardly more than a message. A second answer to the same request, however late,
 * finds nobody at the old name.
 *
 * The broker writes that name into the `reply_to` of what is published on the consumer's channel. Requests leave by the
 * publisher, on another channel: so a probe to nowhere is sent, and comes back with the name in it.
 */
export class DirectReplies implements AddressMaker<DirectAddress> {
  readonly concurrency = 32;
  /** At least one, where there are hardly any: then calls take turns. */
  get room(): number {
    const all = this.#link?.maxChannels ?? Infinity;
    return Math.max(1, all - Math.max(8, Math.min(RESERVED_CHANNELS, Math.floor(all * RESERVED_SHARE))));
  }

  #link: Link | undefined;
  #events: AddressEvents | undefined;

  restore(link: Link, events: AddressEvents): Promise<void> {
    this.#link = link;
    this.#events = events;
    return Promise.resolve();
  }

  async make(): Promise<DirectAddress> {
    const [link, events] = [this.#link, this.#events];
    if (!link || !events) throw new ConnectionError('CONNECTION_LOST', 'there is no connection for replies');
    const channel = await link.openChannel();
    const address: DirectAddress = {
      name: '',
      listener: undefined,
      release: () => events.release(address),
      channel,
      consumerTag: '',
      onProbe: undefined,
    };
    channel.onReturn(({ properties }) => address.onProbe?.(properties.replyTo));
    channel.onClosed((error) => {
      if (error !== undefined) events.onGone(address, error);
    });
    try {
      await this.#listen(address, events);
    } catch (error) {
      void channel.close();
      throw error;
    }
    return address;
  }

  /** Another consumer, another name: whoever answers under the old one is heard by nobody. */
  async renew(address: DirectAddress): Promise<boolean> {
    const events = this.#events;
    if (!events || !address.channel.isOpen) return false;
    await address.channel.cancel(address.consumerTag);
    await this.#listen(address, events);
    return true;
  }

  discard({ channel }: DirectAddress): void {
    void channel.close();
  }

  async #listen(address: DirectAddress, events: AddressEvents): Promise<void> {
    const onDelivery = (delivery: Delivery | null): void => {
      if (delivery) events.onDelivery(address, delivery);
      else {
        void address.channel.close();
        events.onGone(address, new ConnectionError('CONNECTION_LOST', 'the broker ended a reply address'));
      }
    };
    address.consumerTag = await address.channel.consume(DIRECT, onDelivery, { noAck: true });
    address.name = await nameOf(address);
  }
}

const PROBE: OutgoingMessage = {
  exchange: '',
  routingKey: NOWHERE,
  content: Buffer.alloc(0),
  properties: { replyTo: DIRECT },
  mandatory: true,
};

const nameOf = async (address: DirectAddress): Promise<string> => {
  const { promise, resolve, reject } = deferred<string>();
  address.onProbe = (name) => {
    if (name === undefined || name === DIRECT) reject(unsupported('it did not name the address'));
    else resolve(name);
  };
  // The broker returns a message before it confirms it, so a confirm alone means that it will not come back.
  address.channel.publish(PROBE, (failure) => {
    reject(failure?.kind === 'channel-lost' ? failure.cause : unsupported('it did not return the probe'));
  });
  try {
    return await promise;
  } finally {
    address.onProbe = undefined;
  }
};

/** 540, AMQP's "not implemented": to those who ask, the same as a broker that refuses. */
const unsupported = (why: string): BrokerError =>
  new BrokerError(540, `the broker does not support direct reply-to: ${why}`);
