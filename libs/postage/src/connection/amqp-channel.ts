import { randomUUID } from 'node:crypto';
import type { ConfirmChannel, ConsumeMessage, Message } from 'amqplib';
import { BrokerError } from '../errors.js';
import type { Binding, Exchange, Queue } from '../topology/types.js';
import { toBrokerError } from './amqp-errors.js';
import { registerEarly } from './early-consumer.js';
import { readProperties } from './incoming-headers.js';
import { messageWriter, type MessageWriter } from './message-writer.js';
import { checkFinite, checkFits, unwritable } from './outgoing-headers.js';
import type {
  ChannelPort,
  ConfirmListener,
  ConsumeOptions,
  Delivery,
  OutgoingMessage,
  QueueStatus,
  ReturnedMessage,
} from './port.js';
import { settleWithin } from './settle-within.js';

const CLOSE_LIMIT_MS = 2_000;

/** `ChannelPort` over a confirm channel of amqplib. */
export class AmqpChannel implements ChannelPort {
  readonly #channel: ConfirmChannel;
  readonly #write: MessageWriter;
  readonly #maxFrameBytes: number | undefined;
  #open = true;
  #closing: Promise<void> | undefined;
  #lastError: Error | undefined;

  /** @param maxFrameBytes as client and broker have agreed; undefined: nobody knows */
  constructor(channel: ConfirmChannel, maxFrameBytes?: number) {
    this.#channel = channel;
    this.#write = messageWriter(channel);
    this.#maxFrameBytes = maxFrameBytes;
    // Many exchanges may share it.
    channel.setMaxListeners(0);
    // Without these listeners amqplib takes the whole connection down.
    channel.on('error', (error: Error) => {
      this.#open = false;
      this.#lastError = toBrokerError(error);
    });
    // A listener of ours threw: the channel lives on, and somebody should know.
    channel.on('handler-error', (error: Error) => process.emitWarning(error));
    channel.on('close', () => {
      this.#open = false;
    });
  }

  get isOpen(): boolean {
    return this.#open;
  }

  async assertExchange(exchange: Exchange): Promise<void> {
    const { name, type, durable, autoDelete, internal, arguments: args } = exchange;
    await this.#ask(() =>
      this.#channel.assertExchange(name, type, { durable, autoDelete, internal, arguments: { ...args } }),
    );
  }

  async checkExchange(name: string): Promise<void> {
    await this.#ask(() => this.#channel.checkExchange(name));
  }

  async deleteExchange(name: string): Promise<void> {
    await this.#ask(() => this.#channel.deleteExchange(name));
  }

  async assertQueue(queue: Queue): Promise<QueueStatus> {
    const { name, durable, exclusive, autoDelete, arguments: args } = queue;
    const options = { durable, exclusive, autoDelete, arguments: { ...args } };
    return this.#ask(() => this.#channel.assertQueue(name, options));
  }

  async checkQueue(name: string): Promise<QueueStatus> {
    return this.#ask(() => this.#channel.checkQueue(name));
  }

  async deleteQueue(name: string): Promise<void> {
    await this.#ask(() => this.#channel.deleteQueue(name));
  }

  async bindQueue({ queue, exchange, key, arguments: args }: Binding): Promise<void> {
    await this.#ask(() => this.#channel.bindQueue(queue, exchange, key, { ...args }));
  }

  async unbindQueue({ queue, exchange, key, arguments: args }: Binding): Promise<void> {
    await this.#ask(() => this.#channel.unbindQueue(queue, exchange, key, { ...args }));
  }

  async prefetch(count: number): Promise<void> {
    await this.#ask(() => this.#channel.prefetch(count));
  }

  async consume(
    queue: string,
    onDelivery: (delivery: Delivery | null) => void,
    options: ConsumeOptions = {},
  ): Promise<string> {
    const listener = (message: ConsumeMessage | null): void => {
      onDelivery(message === null ? null : toDelivery(message));
    };
    const { noAck = false, exclusive = false, arguments: args } = options;
    const consumerTag = `postage-${randomUUID()}`;
    const unregister = registerEarly(this.#channel, consumerTag, listener);
    try {
      const consume = { consumerTag, noAck, exclusive, arguments: { ...args } };
      await this.#ask(() => this.#channel.consume(queue, listener, consume));
      return consumerTag;
    } catch (error) {
      unregister();
      throw error;
    }
  }

  async cancel(consumerTag: string): Promise<void> {
    await this.#ask(() => this.#channel.cancel(consumerTag));
  }

  publish(message: OutgoingMessage, onConfirm: ConfirmListener): boolean {
    checkFinite(message);
    checkFits(message, this.#maxFrameBytes);
    try {
      return this.#write(message, (error) => onConfirm(error === null ? undefined : this.#failure(error)));
    } catch (error) {
      throw unwritable(error);
    }
  }

  ack(deliveryTag: number, multiple: boolean): void {
    this.#settle(() => this.#channel.ack(messageOf(deliveryTag), multiple));
  }

  reject(deliveryTag: number, requeue: boolean): void {
    this.#settle(() => this.#channel.reject(messageOf(deliveryTag), requeue));
  }

  /** While a connection is being closed amqplib throws, and the channel is not told yet: the broker delivers it again. */
  #settle(write: () => void): void {
    if (!this.#open) return;
    try {
      write();
    } catch {
      this.#open = false;
    }
  }

  onReturn(listener: (message: ReturnedMessage) => void): void {
    this.#channel.on('return', (message: Message) => {
      // amqplib types every incoming message's fields alike; those of basic.return are these four.
      const fields = message.fields as unknown as Omit<ReturnedMessage, 'properties'>;
      const { exchange, routingKey, replyCode, replyText } = fields;
      const { properties } = readProperties(definedProperties(message));
      listener({ exchange, routingKey, replyCode, replyText, properties });
    });
  }

  onDrain(listener: () => void): void {
    this.#channel.on('drain', listener);
  }

  onClosed(listener: (error: Error | undefined) => void): void {
    const notify = (): void => listener(this.#closing ? undefined : (this.#lastError ?? this.#gone()));
    if (this.#open) this.#channel.once('close', notify);
    else setImmediate(notify);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await settleWithin(
      Promise.resolve().then(() => this.#channel.close()),
      CLOSE_LIMIT_MS,
    );
  }

  /** amqplib throws at once on a closed channel and rejects with plain errors: both become a BrokerError. */
  async #ask<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw toBrokerError(error);
    }
  }

  #failure(error: Error): Parameters<ConfirmListener>[0] {
    if (error.message === 'message nacked') return { kind: 'nacked' };
    return { kind: 'channel-lost', cause: this.#lastError ?? error };
  }

  #gone(): Error {
    return new BrokerError(undefined, 'the channel ended with its connection');
  }
}

/** ack and reject look at nothing but the tag; the cast spares keeping every message alive until it is settled. */
const messageOf = (deliveryTag: number): Message => ({ fields: { deliveryTag } }) as unknown as Message;

// amqplib's MessageProperties has `any` in its fields; ours has the types that AMQP gives them.
const definedProperties = (message: Message): Delivery['properties'] => message.properties;

const toDelivery = (message: ConsumeMessage): Delivery => {
  const { deliveryTag, redelivered, exchange, routingKey } = message.fields;
  const read = readProperties(definedProperties(message));
  return { deliveryTag, redelivered, exchange, routingKey, content: message.content, ...read };
};
