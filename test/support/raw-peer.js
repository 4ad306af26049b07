import { connect } from 'amqplib';
import { Inbox } from './eventually.js';
/** A peer that knows nothing of this library: bare amqplib, bytes in and out. */
export class RawPeer {
  model;
  channel;
  constructor(model, channel) {
    this.model = model;
    this.channel = channel;
  }
  static async connect(url) {
    const model = await connect(url, { noDelay: true });
    model.on('error', () => undefined);
    const channel = await model.createChannel();
    channel.on('error', () => undefined);
    return new RawPeer(model, channel);
  }
  /** Everything that comes to a new private queue bound to this exchange and key. */
  async listen(exchange, key) {
    const { queue } = await this.channel.assertQueue('', { exclusive: true });
    await this.channel.bindQueue(queue, exchange, key);
    return this.consume(queue);
  }
  async consume(queue) {
    const inbox = new Inbox();
    await this.channel.consume(queue, (message) => message && inbox.push(message), { noAck: true });
    return inbox;
  }
  publish(exchange, key, body, options = {}) {
    const content =
      typeof body === 'string' || Buffer.isBuffer(body)
        ? Buffer.from(body)
        : Buffer.from(JSON.stringify(body));
    this.channel.publish(exchange, key, content, options);
  }
  async close() {
    await this.model.close().catch(() => undefined);
  }
  [Symbol.asyncDispose]() {
    return this.close();
  }
}
