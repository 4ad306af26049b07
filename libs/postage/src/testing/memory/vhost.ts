import { randomBytes } from 'node:crypto';
import type { QueueStatus } from '../../connection/port.js';
import type { Binding, Queue } from '../../topology/types.js';
import { closesCircle, deadLettered, type DeathReason } from './dead-letter.js';
import type { Deadlines } from './deadlines.js';
import { requireSameQueue } from './equivalence.js';
import { Exchanges } from './exchanges.js';
import { MemoryQueue, type QueueHost } from './memory-queue.js';
import type { BrokerMessage } from './message.js';
import { accessRefused, exchangeRef, lockedQueue, noExchange, noQueue, reservedName } from './refusals.js';
import { ReplyAddresses } from './reply-addresses.js';

/** What became of a published message. */
export interface Routing {
  /** Some queue is bound to it. */
  readonly routed: boolean;
  /** No queue refused it. */
  readonly accepted: boolean;
}

/** The exchanges, queues and bindings of a broker. `owner` stands for the link that asks. */
export class Vhost implements QueueHost {
  readonly deadlines: Deadlines;
  readonly exchanges = new Exchanges();
  readonly queues = new Map<string, MemoryQueue>();
  readonly replies = new ReplyAddresses();

  constructor(deadlines: Deadlines) {
    this.deadlines = deadlines;
  }

  declareQueue(definition: Queue, owner: object): QueueStatus {
    // Also for a queue that has such a name because the broker chose it: it can be looked at, but not declared again.
    if (definition.name.startsWith('amq.')) throw reservedName('queue', definition.name);
    const name = definition.name === '' ? generatedName('amq.gen') : definition.name;
    const current = this.queues.get(name);
    if (current !== undefined) {
      requireAccess(current, owner);
      if (definition.exclusive !== current.definition.exclusive) throw lockedQueue(name);
      requireSameQueue(current.definition, definition);
      return current.touch();
    }
    const queue = new MemoryQueue({ ...definition, name }, owner, this);
    this.queues.set(name, queue);
    return queue.touch();
  }

  /** @throws {BrokerError} 404 no such queue, 405 another link's exclusive queue */
  requireQueue(name: string, owner: object): MemoryQueue {
    const queue = this.queues.get(name);
    if (queue === undefined) throw noQueue(name);
    requireAccess(queue, owner);
    return queue;
  }

  deleteQueue(name: string, owner: object): void {
    if (this.queues.has(name)) this.retire(this.requireQueue(name, owner));
  }

  /** Removes a queue with its bindings; its messages are gone, not dead-lettered. */
  retire(queue: MemoryQueue): void {
    queue.deleted = true;
    this.queues.delete(queue.name);
    this.deadlines.forget(queue);
    this.exchanges.unbindAll(queue);
    for (const consumer of queue.consumers) consumer.cancelled();
  }

  retireExclusiveQueues(owner: object): void {
    for (const queue of this.queues.values()) if (queue.owner === owner) this.retire(queue);
  }

  bind(binding: Binding, owner: object): void {
    const exchange = this.exchanges.require(binding.exchange);
    exchange.bind(binding, this.requireQueue(binding.queue, owner));
  }

  /** Does nothing when there is no such binding, queue or exchange. */
  unbind(binding: Binding, owner: object): void {
    const exchange =
      binding.exchange === '' ? this.exchanges.require('') : this.exchanges.find(binding.exchange);
    const queue = this.queues.get(binding.queue);
    if (exchange === undefined || queue === undefined || !exchange.has(binding)) return;
    requireAccess(queue, owner);
    exchange.unbind(binding);
    this.exchanges.unbound(exchange);
  }

  /** @throws {BrokerError} 404 no such exchange, 403 an internal one */
  publish(message: BrokerMessage): Routing {
    let accepted = true;
    let routed = false;
    for (const queue of this.#targets(message)) {
      routed = true;
      if (!queue.enqueue(message)) accepted = false;
    }
    return { routed, accepted };
  }

  deadLetter(queue: MemoryQueue, message: BrokerMessage, reason: DeathReason): void {
    const { deadLetterExchange } = queue.settings;
    if (deadLetterExchange === undefined) return;
    const dead = deadLettered(queue, message, { reason, atMs: this.deadlines.now() });
    for (const target of this.#route(dead) ?? []) {
      if (reason === 'rejected' || !closesCircle(dead, target.name)) target.enqueue(dead);
    }
  }

  /** What a restart leaves: durable entities, the bindings between them, persistent messages. */
  dropTransient(): void {
    for (const queue of this.queues.values()) {
      if (queue.definition.durable) queue.dropTransientMessages();
      else this.retire(queue);
    }
    this.exchanges.dropTransient();
  }

  #targets(message: BrokerMessage): Iterable<MemoryQueue> {
    const exchange = this.exchanges.find(message.exchange);
    if (exchange?.definition.internal) {
      throw accessRefused(`cannot publish to internal ${exchangeRef(message.exchange)}`);
    }
    const found = this.#route(message);
    if (found === undefined) throw noExchange(message.exchange);
    return found;
  }

  /** Undefined: there is no such exchange. The default exchange leads to the queue that has the key for its name. */
  #route(message: BrokerMessage): Iterable<MemoryQueue> | undefined {
    if (message.exchange === '') {
      // On the way, for they count as no queue: a mandatory reply is returned although it is delivered.
      this.replies.deliver(message);
      const named = message.keys.map((key) => this.queues.get(key));
      return new Set(named.filter((queue) => queue !== undefined));
    }
    const exchange = this.exchanges.find(message.exchange);
    return exchange && this.exchanges.route(exchange, message);
  }
}

const requireAccess = (queue: MemoryQueue, owner: object): void => {
  if (queue.owner !== undefined && queue.owner !== owner) throw lockedQueue(queue.name);
};

export const generatedName = (prefix: string): string => `${prefix}-${randomBytes(16).toString('base64url')}`;
