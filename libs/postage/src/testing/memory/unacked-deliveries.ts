import type { Consumer } from './consumers.js';
import type { MemoryQueue } from './memory-queue.js';
import type { QueuedMessage } from './ready-messages.js';
import { preconditionFailed } from './refusals.js';

interface Unacked {
  readonly entry: QueuedMessage;
  readonly consumer: Consumer;
}

/** What was delivered on one channel and is not settled, by delivery tag, in the order of delivery. */
export class UnackedDeliveries {
  readonly #byTag = new Map<number, Unacked>();
  #lastTag = 0;

  /** A direct reply bears it, without using it up. */
  get nextTag(): number {
    return this.#lastTag + 1;
  }

  /** Returns the delivery tag; without acks there is nothing to remember. */
  add(consumer: Consumer, entry: QueuedMessage): number {
    this.#lastTag += 1;
    if (consumer.noAck) return this.#lastTag;
    this.#byTag.set(this.#lastTag, { entry, consumer });
    consumer.unacked += 1;
    consumer.queue.unacked += 1;
    return this.#lastTag;
  }

  /**
   * Takes out what a tag stands for, by queue; with `multiple` also what was delivered before it, and 0 is all.
   * @throws {BrokerError} 406 unknown delivery tag
   */
  take(deliveryTag: number, multiple: boolean): Map<MemoryQueue, QueuedMessage[]> {
    const all = multiple && deliveryTag === 0;
    if (!all && !this.#byTag.has(deliveryTag))
      throw preconditionFailed(`unknown delivery tag ${deliveryTag}`);
    const taken = new Map<MemoryQueue, QueuedMessage[]>();
    for (const tag of multiple ? this.#byTag.keys() : [deliveryTag]) {
      if (!all && tag > deliveryTag) break;
      this.#takeOne(tag, taken);
    }
    return taken;
  }

  #takeOne(tag: number, taken: Map<MemoryQueue, QueuedMessage[]>): void {
    const unacked = this.#byTag.get(tag);
    if (unacked === undefined) return;
    const { entry, consumer } = unacked;
    const { queue } = consumer;
    this.#byTag.delete(tag);
    consumer.unacked -= 1;
    queue.unacked -= 1;
    queue.consumers.settled(consumer);
    const entries = taken.get(queue);
    if (entries === undefined) taken.set(queue, [entry]);
    else entries.push(entry);
  }
}
