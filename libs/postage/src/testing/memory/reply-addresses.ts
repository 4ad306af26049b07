import type { QueueStatus } from '../../connection/port.js';
import type { BrokerMessage } from './message.js';
import { noQueue } from './refusals.js';

/** What a client consumes, and names for its replies, without declaring it. */
export const REPLY_TO = 'amq.rabbitmq.reply-to';

/** Such a name is no queue's: RabbitMQ has its own answers to who declares it. */
export const isReplyName = (name: string): boolean => name.startsWith(REPLY_TO);

/**
 * The addresses of direct replies at which somebody listens.
 * @see https://www.rabbitmq.com/docs/direct-reply-to
 */
export class ReplyAddresses {
  readonly #listeners = new Map<string, (message: BrokerMessage) => void>();

  open(address: string, listener: (message: BrokerMessage) => void): void {
    this.#listeners.set(address, listener);
  }

  close(address: string): void {
    this.#listeners.delete(address);
  }

  /** Once to each address that the message names; nobody hears of it when nobody listens there. */
  deliver(message: BrokerMessage): void {
    for (const key of new Set(message.keys)) this.#listeners.get(key)?.(message);
  }

  /** @throws {BrokerError} 404: nobody listens there */
  status(name: string): QueueStatus {
    if (name !== REPLY_TO && !this.#listeners.has(name)) throw noQueue(name);
    return { queue: name, messageCount: 0, consumerCount: 1 };
  }
}
