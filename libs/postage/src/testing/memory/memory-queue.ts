import type { QueueStatus } from '../../connection/port.js';
import type { Queue } from '../../topology/types.js';
import { Consumers } from './consumers.js';
import type { DeathReason } from './dead-letter.js';
import type { Deadlines, Sleeper } from './deadlines.js';
import type { BrokerMessage } from './message.js';
import { resolveQueueSettings, type QueueSettings } from './queue-settings.js';
import { ReadyMessages, type QueuedMessage } from './ready-messages.js';

/** Where a queue turns for what is not its own business. */
export interface QueueHost {
  readonly deadlines: Deadlines;
  deadLetter(queue: MemoryQueue, message: BrokerMessage, reason: DeathReason): void;
  /** The queue has no further use: its last consumer has gone, or it has expired. */
  retire(queue: MemoryQueue): void;
}

export class MemoryQueue implements Sleeper {
  readonly definition: Queue;
  readonly settings: QueueSettings;
  /** The link that an exclusive queue belongs to. */
  readonly owner: object | undefined;
  readonly consumers: Consumers;
  readonly ready: ReadyMessages;
  unacked = 0;
  deleted = false;
  readonly #host: QueueHost;
  #places = 0;
  #unusedSinceMs: number;

  /** @throws {BrokerError} 406: an argument is not valid */
  constructor(definition: Queue, owner: object | undefined, host: QueueHost) {
    this.definition = definition;
    this.settings = resolveQueueSettings(definition);
    this.owner = definition.exclusive ? owner : undefined;
    this.consumers = new Consumers(this.settings.singleActiveConsumer);
    this.ready = new ReadyMessages(this.settings.maxPriority);
    this.#host = host;
    this.#unusedSinceMs = host.deadlines.now();
    this.#watch();
  }

  get name(): string {
    return this.definition.name;
  }

  /** A declaration, or a look at it, counts as use. */
  touch(): QueueStatus {
    if (this.settings.expiresMs !== Infinity) this.#unusedSinceMs = this.#host.deadlines.now();
    return { queue: this.name, messageCount: this.ready.length, consumerCount: this.consumers.size };
  }

  /** Takes a message; false when the queue is full and refuses it. */
  enqueue(message: BrokerMessage): boolean {
    const { overflow } = this.settings;
    if (overflow !== 'drop-head' && this.#exceedsBy(1, message.content.length)) {
      if (overflow === 'reject-publish-dlx') this.#host.deadLetter(this, message, 'maxlen');
      return false;
    }
    const entry = this.#enter(message);
    const consumer = this.ready.length === 0 ? this.consumers.next() : undefined;
    if (consumer !== undefined) {
      consumer.deliver(entry);
      return true;
    }
    this.ready.push(entry);
    this.#dropHeads();
    if (entry.expiresAtMs !== Infinity) this.#dropExpired(this.#host.deadlines.now());
    this.#watch();
    return true;
  }

  /** Gives what is ready to consumers that have credit. */
  pump(): void {
    this.#dropExpired();
    while (this.ready.length > 0) {
      const consumer = this.consumers.next();
      if (consumer === undefined) break;
      const entry = this.ready.shift();
      if (entry !== undefined) consumer.deliver(entry);
      this.#dropExpired();
    }
    this.#watch();
  }

  /** Takes back, in their order, what consumers did not settle; whoever calls it pumps afterwards. */
  putBack(entries: readonly QueuedMessage[]): void {
    if (this.deleted) return;
    const { quorum, deliveryLimit } = this.settings;
    const alive: QueuedMessage[] = [];
    for (const entry of entries) {
      entry.returns += 1;
      if (quorum && entry.returns > deliveryLimit)
        this.#host.deadLetter(this, entry.message, 'delivery_limit');
      else alive.push(entry);
    }
    // The last one first: each then goes to the front, which costs nothing.
    for (const entry of alive.toReversed()) this.ready.putBack(entry);
    this.#dropHeads();
  }

  reject(entry: QueuedMessage): void {
    if (!this.deleted) this.#host.deadLetter(this, entry.message, 'rejected');
  }

  /** Consumers have gone, or messages have come back. An auto-delete queue goes with its last consumer. */
  settle(): void {
    if (this.deleted) return;
    if (this.consumers.size > 0) this.pump();
    else if (this.definition.autoDelete) this.#host.retire(this);
    else this.touch();
    this.#watch();
  }

  wake(nowMs: number): number {
    if (this.deleted) return Infinity;
    this.#dropExpired(nowMs);
    if (this.#expiresAtMs() <= nowMs) {
      this.#host.retire(this);
      return Infinity;
    }
    return this.#dueMs();
  }

  /** What a restart of the broker leaves of a durable queue. */
  dropTransientMessages(): void {
    const kept = [...this.ready].filter(({ message }) => message.properties.deliveryMode === 2);
    while (this.ready.shift() !== undefined);
    for (const entry of kept) this.ready.push(entry);
  }

  #enter(message: BrokerMessage): QueuedMessage {
    const { messageTtlMs, maxPriority } = this.settings;
    const { expiration, priority = 0 } = message.properties;
    const ttlMs = expiration === undefined ? messageTtlMs : Math.min(messageTtlMs, Number(expiration));
    this.#places += 1;
    return {
      message,
      place: this.#places,
      priority: Math.min(priority, maxPriority),
      expiresAtMs: ttlMs === Infinity ? Infinity : this.#host.deadlines.now() + ttlMs,
      returns: 0,
    };
  }

  #exceedsBy(messages: number, bytes: number): boolean {
    const { maxLength, maxBytes } = this.settings;
    return this.ready.length + messages > maxLength || this.ready.bytes + bytes > maxBytes;
  }

  #dropHeads(): void {
    if (this.settings.overflow !== 'drop-head') return;
    while (this.ready.length > 0 && this.#exceedsBy(0, 0)) {
      const head = this.ready.shift();
      if (head !== undefined) this.#host.deadLetter(this, head.message, 'maxlen');
    }
  }

  /** Only at the head, as RabbitMQ does: what expires further back waits for its turn. */
  #dropExpired(nowMs?: number): void {
    for (let head = this.ready.peek(); head !== undefined; head = this.ready.peek()) {
      if (head.expiresAtMs === Infinity || head.expiresAtMs > (nowMs ?? this.#host.deadlines.now())) return;
      this.ready.shift();
      this.#host.deadLetter(this, head.message, 'expired');
    }
  }

  #watch(): void {
    const dueMs = this.#dueMs();
    if (dueMs !== Infinity && !this.deleted) this.#host.deadlines.watch(this, dueMs);
  }

  #dueMs(): number {
    return Math.min(this.ready.peek()?.expiresAtMs ?? Infinity, this.#expiresAtMs());
  }

  #expiresAtMs(): number {
    const { expiresMs } = this.settings;
    return this.consumers.size > 0 || expiresMs === Infinity ? Infinity : this.#unusedSinceMs + expiresMs;
  }
}
