import type { ConsumeOptions, Delivery, QueueStatus, ReturnedMessage } from '../../connection/port.js';
import type { Binding, Queue } from '../../topology/types.js';
import type { Consumer } from './consumers.js';
import type { MemoryQueue } from './memory-queue.js';
import { copyProperties, type BrokerMessage } from './message.js';
import { requireValidProperties } from './publish-checks.js';
import type { QueuedMessage } from './ready-messages.js';
import { exclusiveUse, notFound } from './refusals.js';
import { UnackedDeliveries } from './unacked-deliveries.js';
import { generatedName, type Vhost } from './vhost.js';

/** What the broker tells a client on a channel, besides answers. Every call is one hop away from the client. */
export interface SessionClient {
  delivered(consumerTag: string, delivery: Delivery): void;
  cancelled(consumerTag: string): void;
  returned(message: ReturnedMessage): void;
}

/** The broker's side of one channel. */
export class Session {
  open = true;
  readonly vhost: Vhost;
  readonly #owner: object;
  readonly #client: SessionClient;
  readonly #unacked = new UnackedDeliveries();
  readonly #consumers = new Map<string, Consumer>();
  #lastQueue = '';
  #prefetch = 0;

  /** @param owner the link, which exclusive queues belong to */
  constructor(vhost: Vhost, owner: object, client: SessionClient) {
    this.vhost = vhost;
    this.#owner = owner;
    this.#client = client;
  }

  assertQueue(queue: Queue): QueueStatus {
    const status = this.vhost.declareQueue(queue, this.#owner);
    this.#lastQueue = status.queue;
    return status;
  }

  checkQueue(name: string): QueueStatus {
    const status = this.vhost.requireQueue(name, this.#owner).touch();
    this.#lastQueue = name;
    return status;
  }

  deleteQueue(name: string): void {
    this.vhost.deleteQueue(this.#named(name), this.#owner);
  }

  bindQueue(binding: Binding): void {
    this.vhost.bind({ ...binding, queue: this.#named(binding.queue) }, this.#owner);
  }

  unbindQueue(binding: Binding): void {
    this.vhost.unbind({ ...binding, queue: this.#named(binding.queue) }, this.#owner);
  }

  prefetch(count: number): void {
    this.#prefetch = count;
  }

  /** @throws {BrokerError} 403 taken by an exclusive consumer, 404, 405 */
  consume(name: string, options: ConsumeOptions): string {
    const queue = this.vhost.requireQueue(this.#named(name), this.#owner);
    const { noAck = false, exclusive = false } = options;
    const taken = queue.consumers.exclusive || (exclusive && queue.consumers.size > 0);
    if (taken || (exclusive && queue.settings.singleActiveConsumer)) throw exclusiveUse(queue.name);
    const tag = generatedName('amq.ctag');
    const priority = options.arguments?.['x-priority'];
    const consumer: Consumer = {
      tag,
      queue,
      noAck,
      exclusive,
      prefetch: this.#prefetch,
      priority: typeof priority === 'number' ? priority : 0,
      unacked: 0,
      deliver: (entry) => this.#deliver(consumer, entry),
      cancelled: () => {
        this.#consumers.delete(tag);
        this.#client.cancelled(tag);
      },
    };
    this.#consumers.set(tag, consumer);
    return tag;
  }

  /** Lets deliveries flow; apart from `consume`, so that its answer goes first. */
  start(consumerTag: string): void {
    const consumer = this.#consumers.get(consumerTag);
    if (consumer === undefined) return;
    consumer.queue.consumers.add(consumer);
    consumer.queue.pump();
  }

  cancel(consumerTag: string): void {
    const consumer = this.#consumers.get(consumerTag);
    if (consumer === undefined) return;
    this.#consumers.delete(consumerTag);
    consumer.queue.consumers.remove(consumer);
    consumer.queue.settle();
  }

  /** Whether the message was taken; one that no queue takes counts as taken, after it was returned. */
  publish(message: BrokerMessage, mandatory: boolean): boolean {
    requireValidProperties(message);
    const { routed, accepted } = this.vhost.publish(message);
    if (mandatory && !routed) {
      const { exchange, routingKey } = message;
      const properties = copyProperties(message.properties);
      this.#client.returned({ exchange, routingKey, replyCode: 312, replyText: 'NO_ROUTE', properties });
    }
    return accepted;
  }

  /** @throws {BrokerError} 406 unknown delivery tag */
  ack(deliveryTag: number, multiple: boolean): void {
    for (const queue of this.#unacked.take(deliveryTag, multiple).keys()) queue.pump();
  }

  /** @throws {BrokerError} 406 unknown delivery tag */
  reject(deliveryTag: number, requeue: boolean): void {
    for (const [queue, entries] of this.#unacked.take(deliveryTag, false)) {
      if (requeue) queue.putBack(entries);
      else for (const entry of entries) queue.reject(entry);
      queue.pump();
    }
  }

  /** Ends the channel: its consumers go, what they had not settled goes back. The queues concerned still have to settle. */
  release(): Iterable<MemoryQueue> {
    this.open = false;
    const concerned = new Set<MemoryQueue>();
    for (const consumer of this.#consumers.values()) {
      consumer.queue.consumers.remove(consumer);
      concerned.add(consumer.queue);
    }
    for (const [queue, entries] of this.#unacked.take(0, true)) {
      queue.putBack(entries);
      concerned.add(queue);
    }
    this.#consumers.clear();
    return concerned;
  }

  #deliver(consumer: Consumer, entry: QueuedMessage): void {
    const deliveryTag = this.#unacked.add(consumer, entry);
    this.#client.delivered(consumer.tag, toDelivery(deliveryTag, consumer.queue, entry));
  }

  /** An empty name stands for the queue last declared on this channel. */
  #named(name: string): string {
    if (name !== '') return name;
    if (this.#lastQueue === '') throw notFound('no previously declared queue');
    return this.#lastQueue;
  }
}

/** Ends channels as one: nothing that goes back is given to another channel that ends as well. */
export const endSessions = (sessions: Iterable<Session>): void => {
  const concerned = new Set<MemoryQueue>();
  for (const session of sessions) {
    if (session.open) for (const queue of session.release()) concerned.add(queue);
  }
  for (const queue of concerned) queue.settle();
};

const toDelivery = (
  deliveryTag: number,
  queue: MemoryQueue,
  { message, returns }: QueuedMessage,
): Delivery => {
  const properties = copyProperties(message.properties);
  const counted = queue.settings.quorum && returns > 0;
  return {
    deliveryTag,
    redelivered: returns > 0,
    exchange: message.exchange,
    routingKey: message.routingKey,
    content: Buffer.from(message.content),
    properties: counted
      ? { ...properties, headers: { ...properties.headers, 'x-delivery-count': returns } }
      : properties,
  };
};
