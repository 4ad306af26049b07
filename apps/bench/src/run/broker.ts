import { once } from 'node:events';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { handlerName, parametersOf } from '../side/peer.js';
import { packetOf, type Format } from './wire.js';

export interface Place {
  readonly exchange: string;
  readonly queues: readonly [string, ...string[]];
}

export interface Filling {
  readonly format: Format;
  readonly messages: number;
  readonly parameterBytes: number;
  /** Messages are for so many handlers in turn. */
  readonly handlers: number;
}

/** The bench's own way to the broker: makes the queues that are measured, fills them, empties them, and takes them away. */
export class Broker {
  readonly #connection: ChannelModel;
  readonly #channel: ConfirmChannel;
  readonly #run = `bench-${process.pid}-${Date.now().toString(36)}`;
  readonly #places = new Set<Place>();
  /** Rejects with the connection. What waits for an event of it would wait for ever. */
  readonly #lost: Promise<never>;

  private constructor(
    readonly url: string,
    connection: ChannelModel,
    channel: ConfirmChannel,
  ) {
    this.#connection = connection;
    this.#channel = channel;
    // What waits for something on it is told as well.
    connection.on('error', () => undefined);
    channel.on('error', () => undefined);
    this.#lost = new Promise((_, reject) => {
      connection.on('close', () => reject(new Error('the connection to the broker is lost')));
    });
    this.#lost.catch(() => undefined);
  }

  static async connect(url: string): Promise<Broker> {
    const connection = await connect(url, { noDelay: true });
    return new Broker(url, connection, await connection.createConfirmChannel());
  }

  get version(): string {
    const { product, version } = this.#connection.connection.serverProperties;
    return `${product} ${version}`;
  }

  /** An exchange and queues that no other measurement has. */
  async make(name: string, queueCount = 1): Promise<Place> {
    const exchange = `${this.#run}.${name}`;
    const others = Array.from({ length: queueCount - 1 }, (_, index) => `${exchange}.${index + 1}`);
    const place: Place = { exchange, queues: [exchange, ...others] };
    this.#places.add(place);
    await this.#channel.assertExchange(exchange, 'direct', { durable: true });
    for (const queue of place.queues) {
      await this.#channel.assertQueue(queue, { durable: true });
      await this.#channel.bindQueue(queue, exchange, queue);
    }
    return place;
  }

  async remove(place: Place): Promise<void> {
    this.#places.delete(place);
    for (const queue of place.queues) await this.#channel.deleteQueue(queue);
    await this.#channel.deleteExchange(place.exchange);
  }

  /** Puts persistent messages into all queues in turn, and resolves once the broker has them. */
  async fill({ exchange, queues }: Place, filling: Filling): Promise<void> {
    const parameters = parametersOf(filling.parameterBytes);
    const packets = Array.from({ length: filling.handlers }, (_, index) =>
      packetOf(filling.format, handlerName(index), parameters),
    );
    for (let index = 0; index < filling.messages; index += 1) {
      const queue = queues[index % queues.length] ?? '';
      const packet = packets[index % packets.length];
      if (packet === undefined) return;
      const options = { ...packet.properties, persistent: true };
      if (!this.#channel.publish(exchange, queue, packet.content, options))
        await this.#orLost(once(this.#channel, 'drain'));
    }
    await this.#orLost(this.#channel.waitForConfirms());
  }

  async purge({ queues }: Place): Promise<void> {
    for (const queue of queues) await this.#channel.purgeQueue(queue);
  }

  /** Messages that wait for a consumer: what one has not acknowledged is among them once it has gone. */
  async waiting({ queues }: Place): Promise<number> {
    const counts = await Promise.all(queues.map((queue) => this.#channel.checkQueue(queue)));
    return counts.reduce((sum, { messageCount }) => sum + messageCount, 0);
  }

  #orLost<T>(event: Promise<T>): Promise<T> {
    return Promise.race([event, this.#lost]);
  }

  /** Takes away what is left, as far as that is possible. */
  async close(): Promise<void> {
    try {
      for (const place of [...this.#places]) await this.remove(place);
      await this.#connection.close();
    } catch {
      // The connection is gone, and with it the way to do more.
    }
  }
}
