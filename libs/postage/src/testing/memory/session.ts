import type { ConsumeOptions, Delivery, QueueStatus, ReturnedMessage } from '../../connection/port.js';
import type { Binding, Queue } from '../../topology/types.js';
import type { Consumer } from './consumers.js';
import { firstDelivery, queueDelivery } from './delivery.js';
import type { MemoryQueue } from './memory-queue.js';
import { copyProperties, type BrokerMessage } from './message.js';
import { requireValidProperties } from './publish-checks.js';
import type { QueuedMessage } from './ready-messages.js';
import { exclusiveUse, notFound } from './refusals.js';
import { isReplyName, REPLY_TO } from './reply-addresses.js';
import { ReplyConsumer } from './reply-consumer.js';
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
  readonly #replies: ReplyConsumer;
  #lastQueue = '';
  #prefetch = 0;

  /** @param owner the link, which exclusive queues belong to */
  constructor(vhost: Vhost, owner: object, client: SessionClient) {
    this.vhost = vhost;
    this.#owner = owner;
    this.#client = client;
    this.#replies = new ReplyConsumer(vhost.replies);
  }

  assertQueue(queue: Queue): QueueStatus {
    const status = isReplyName(queue.name)
      ? this.#replies.status(queue.name)
      : this.vhost.declareQueue(queue, this.#owner);
    this.#lastQueue = status.queue;
    return status;
  }

  checkQueue(name: string): QueueStatus {
    const status = isReplyName(name)
      ? this.#replies.status(name)
      : this.vhost.requireQueue(name, this.#owner).touch();
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

  /** @throws {BrokerError} 403 taken by an exclusive consumer, 404, 405, 406 direct replies */
  consume(name: string, options: ConsumeOptions): string {
    const tag = generatedName('amq.ctag');
    const named = this.#named(name);
    if (named === REPLY_TO) this.#consumeReplies(tag, options);
    else this.#consumeQueue(tag, this.vhost.requireQueue(named, this.#owner), options);
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
    this.#replies.cancel(consumerTag);
    const consumer = this.#consumers.get(consumerTag);
    if (consumer === undefined) return;
    this.#consumers.delete(consumerTag);
    consumer.queue.consumers.remove(consumer);
    consumer.queue.settle();
  }

  /** Whether the message was taken; one that no queue takes counts as taken, after it was returned. */
  publish(published: BrokerMessage, mandatory: boolean): boolean {
    const message = this.#replies.addressed(published);
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
    this.#replies.end();
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

  #consumeReplies(tag: string, { noAck = false }: ConsumeOptions): void {
    this.#replies.start(tag, noAck, (message) => {
      this.#client.delivered(tag, firstDelivery(this.#unacked.nextTag, message));
    });
  }

  #consumeQueue(tag: string, queue: MemoryQueue, options: ConsumeOptions): void {
    const { noAck = false, exclusive = false } = options;
    const taken = queue.consumers.exclusive || (exclusive && queue.consumers.size > 0);
    if (taken || (exclusive && queue.settings.singleActiveConsumer)) throw exclusiveUse(queue.name);
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
  }

  #deliver(consumer: Consumer, entry: QueuedMessage): void {
    const deliveryTag = this.#unacked.add(consumer, entry);
    this.#client.delivered(consumer.tag, queueDelivery(deliveryTag, consumer.queue, entry));
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
