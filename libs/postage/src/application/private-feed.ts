import type { Attachment } from '../connection/attachment.js';
import type { Declarations } from '../connection/declarations.js';
import type { ChannelPort, Delivery, Link } from '../connection/port.js';
import type { Supervisor } from '../connection/supervisor.js';
import { ConnectionError } from '../errors.js';
import { exchangeTopology } from '../topology/binding.js';
import { PRIVATE_QUEUE } from '../topology/private-queue.js';
import type { Binding, Exchange } from '../topology/types.js';

export interface PrivateFeedOptions {
  readonly exchange: Exchange;
  readonly supervisor: Supervisor;
  readonly declarations: Declarations;
  /** At the moment of the question. */
  readonly keys: () => readonly string[];
  readonly onDelivery: (delivery: Delivery) => void;
  /** All keys are bound, on a new connection. */
  readonly onRestored?: (() => void) | undefined;
  readonly onLost?: (() => void) | undefined;
}

/**
 * A copy of everything that some keys of an exchange bring, without acks: what is not read at once is lost.
 *
 * The queue is private, named by the broker, and another one on each connection: it can hold nothing that was sent before
 * this process began, and a connection that is half dead does not stand in the way of the next.
 */
export class PrivateFeed implements Attachment {
  readonly #options: PrivateFeedOptions;
  #channel: ChannelPort | undefined;
  #queue: string | undefined;
  #closed = false;

  constructor(options: PrivateFeedOptions) {
    this.#options = options;
  }

  /** Its name on the present connection. */
  get queue(): string | undefined {
    return this.#queue;
  }

  /** @throws {ConnectionError} it has been closed */
  start(): Promise<void> {
    if (this.#closed) return Promise.reject(new ConnectionError('CONNECTION_CLOSED', 'it is closed already'));
    return this.#options.supervisor.attach(this);
  }

  async restore(link: Link): Promise<void> {
    const { exchange, declarations, keys, onDelivery } = this.#options;
    await declarations.ensure(exchangeTopology(exchange));
    const channel = await link.openChannel();
    channel.onClosed((error) => {
      if (error !== undefined) this.#recover(channel);
    });
    const { queue } = await channel.assertQueue(PRIVATE_QUEUE);
    this.#channel = channel;
    this.#queue = queue;
    for (const key of keys()) await channel.bindQueue(this.#binding(queue, key));
    const onNext = (delivery: Delivery | null): void => {
      if (delivery === null) void channel.close().then(() => this.#recover(channel));
      else if (!this.#closed) onDelivery(delivery);
    };
    await channel.consume(queue, onNext, { noAck: true, exclusive: true });
    // Closed while it was put in place.
    if (this.#closed) {
      this.lost();
      await channel.close();
    } else if (this.#channel === channel) this.#options.onRestored?.();
  }

  lost(): void {
    this.#channel = undefined;
    this.#queue = undefined;
    this.#options.onLost?.();
  }

  /** From now on this key leads here; where there is no connection, with the next one. */
  bind(key: string): Promise<void> {
    return this.#ask((channel, queue) => channel.bindQueue(this.#binding(queue, key)));
  }

  unbind(key: string): Promise<void> {
    return this.#ask((channel, queue) => channel.unbindQueue(this.#binding(queue, key)));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.supervisor.detach(this);
    const channel = this.#channel;
    this.lost();
    await channel?.close();
  }

  async #ask(operation: (channel: ChannelPort, queue: string) => Promise<void>): Promise<void> {
    const [channel, queue] = [this.#channel, this.#queue];
    if (!channel || queue === undefined) return;
    try {
      await operation(channel, queue);
    } catch (error) {
      // The next connection binds what then is to be bound.
      if (channel.isOpen) throw error;
    }
  }

  #binding(queue: string, key: string): Binding {
    return { exchange: this.#options.exchange.name, queue, key, arguments: {} };
  }

  #recover(channel: ChannelPort): void {
    if (this.#channel !== channel || this.#closed) return;
    this.lost();
    void this.#options.supervisor.reattach(this);
  }
}
