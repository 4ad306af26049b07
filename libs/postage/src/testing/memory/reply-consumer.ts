import { randomBytes } from 'node:crypto';
import type { QueueStatus } from '../../connection/port.js';
import type { BrokerMessage } from './message.js';
import { internalError, preconditionFailed } from './refusals.js';
import { REPLY_TO, type ReplyAddresses } from './reply-addresses.js';

const random = (bytes: number): string => randomBytes(bytes).toString('base64');

/** The one consumer of direct replies that a channel may have. */
export class ReplyConsumer {
  readonly #addresses: ReplyAddresses;
  /** All addresses of the channel begin with it. */
  readonly #prefix = `${REPLY_TO}.${random(28)}.`;
  #current: { readonly tag: string; readonly address: string } | undefined;

  constructor(addresses: ReplyAddresses) {
    this.#addresses = addresses;
  }

  /** @throws {BrokerError} 406: it wants to ack, or there is one */
  start(tag: string, noAck: boolean, listener: (message: BrokerMessage) => void): void {
    if (!noAck) throw preconditionFailed('reply consumer cannot acknowledge');
    if (this.#current !== undefined) throw preconditionFailed('reply consumer already set');
    // A new one each time, so that a late reply does not come to the next consumer.
    const address = `${this.#prefix}${random(16)}`;
    this.#current = { tag, address };
    this.#addresses.open(address, listener);
  }

  cancel(tag: string): void {
    if (this.#current?.tag === tag) this.end();
  }

  end(): void {
    if (this.#current !== undefined) this.#addresses.close(this.#current.address);
    this.#current = undefined;
  }

  /**
   * The message as it goes on: with the address, where it asks for direct replies.
   * @throws {BrokerError} 406: it asks without a consumer
   */
  addressed(message: BrokerMessage): BrokerMessage {
    if (message.properties.replyTo !== REPLY_TO) return message;
    if (this.#current === undefined) throw preconditionFailed('fast reply consumer does not exist');
    return { ...message, properties: { ...message.properties, replyTo: this.#current.address } };
  }

  /** @throws {BrokerError} 404 no such address; 541 one of the channel's own, past or present */
  status(name: string): QueueStatus {
    // RabbitMQ's channel asks the channel that has the address, and crashes when that is itself.
    if (name.startsWith(this.#prefix)) throw internalError();
    return this.#addresses.status(name);
  }
}
