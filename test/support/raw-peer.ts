import { connect, type Channel, type ChannelModel, type ConsumeMessage, type Options } from 'amqplib';
import { Inbox } from './eventually.js';

/** A peer that knows nothing of this library: bare amqplib, bytes in and out. */
export class RawPeer implements AsyncDisposable {
  private constructor(
    readonly model: ChannelModel,
    readonly channel: Channel,
  ) {}

  static async connect(url: string): Promise<RawPeer> {
    const model = await connect(url, { noDelay: true });
    model.on('error', () => undefined);
    const channel = await model.createChannel();
    channel.on('error', () => undefined);
    return new RawPeer(model, channel);
  }

  /** Everything that comes to a new private queue bound to this exchange and key. */
  async listen(exchange: string, key: string): Promise<Inbox<ConsumeMessage>> {
    const { queue } = await this.channel.assertQueue('', { exclusive: true });
    await this.channel.bindQueue(queue, exchange, key);
    return this.consume(queue);
  }

  async consume(queue: string): Promise<Inbox<ConsumeMessage>> {
    const inbox = new Inbox<ConsumeMessage>();
    await this.channel.consume(queue, (message) => message && inbox.push(message), { noAck: true });
    return inbox;
  }

  publish(
    exchange: string,
    key: string,
    body: string | Buffer | object,
    options: Options.Publish = {},
  ): void {
    const content =
      typeof body === 'string' || Buffer.isBuffer(body)
        ? Buffer.from(body)
        : Buffer.from(JSON.stringify(body));
    this.channel.publish(exchange, key, content, options);
  }

  async close(): Promise<void> {
    await this.model.close().catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
