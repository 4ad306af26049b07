import type { Delivery, QueueStatus } from '../connection/port.js';

/** Follows what one queue held before this process consumed it. */
export interface QueueLeftovers {
  /**
   * Told before each consumer starts.
   * @param isAgain it is the same one, after a loss
   */
  found(status: QueueStatus, isAgain: boolean): void;
  note(delivery: Delivery): void;
}

/**
 * Tells messages that were waiting in a queue before this process consumed it from those that came afterwards. For commands
 * that must not act on a process that was not there when they were sent.
 *
 * What is known: how many messages waited, if nobody else consumed the queue, since it hands them out in order; and the
 * time a message was sent, where its sender says it (AMQP's `timestamp`, in seconds). A message that is known to be younger
 * shows that all older ones are through.
 */
export class Leftovers {
  readonly #startSeconds: number;
  readonly #queues = new Map<string, QueueLeftovers>();
  readonly #known = new WeakSet<Delivery>();

  /** @param startMs when this process began, as `Date.now()` tells it */
  constructor(startMs = Date.now() - performance.now()) {
    this.#startSeconds = Math.floor(startMs / 1_000);
  }

  /** From now on this queue is watched. */
  watch(queue: string): void {
    if (this.#queues.has(queue)) return;
    let waiting = 0;
    let isFirst = true;
    let hasCome = false;
    this.#queues.set(queue, {
      found: ({ messageCount, consumerCount }, isAgain) => {
        // Of a queue that was paused, an earlier consumer may have got nothing.
        isFirst = !isAgain || !hasCome;
        if (isAgain) waiting = Math.min(waiting, messageCount);
        else waiting = consumerCount === 0 ? messageCount : 0;
      },
      note: (delivery) => {
        hasCome = true;
        const { timestamp } = delivery.properties;
        // Seconds: what was sent in that of the start may be older or younger.
        if (timestamp !== undefined && timestamp > this.#startSeconds) waiting = 0;
        const isOld = timestamp !== undefined && timestamp < this.#startSeconds;
        if (waiting > 0 || isOld) this.#known.add(delivery);
        // What comes again to a later consumer has been counted.
        if (!delivery.redelivered || isFirst) waiting = Math.max(0, waiting - 1);
      },
    });
  }

  of(queue: string): QueueLeftovers | undefined {
    return this.#queues.get(queue);
  }

  has(delivery: Delivery): boolean {
    return this.#known.has(delivery);
  }
}
