import type { Delivery } from '../connection/port.js';
import { BrokerError } from '../errors.js';
import type { Queue } from '../topology/types.js';

/**
 * Of which type a queue is, as far as one can tell: where neither its arguments say it nor is it ours to declare, what
 * comes out of it does.
 */
export class QueueNature {
  #isStream: boolean | undefined;
  #isQuorum: boolean | undefined;
  #last: Delivery | undefined;

  constructor(queue: Queue | undefined) {
    const type = queue?.arguments['x-queue-type'];
    if (type === undefined) return;
    this.#isStream = type === 'stream';
    this.#isQuorum = type === 'quorum';
  }

  /** Nothing is taken out of it, and nothing goes back to it: acks ask for more, and the broker refuses the rest (540). */
  get isStream(): boolean {
    return this.#isStream === true;
  }

  /** It counts how often a message comes back, and may give it up for that. */
  get isQuorum(): boolean {
    return this.#isQuorum === true;
  }

  /** It was refused a consumer with a priority: only streams have none. Returns whether that is so. */
  refused(error: unknown): boolean {
    const isStream = error instanceof BrokerError && REFUSED_BY_STREAM.test(error.message);
    if (isStream) [this.#isStream, this.#isQuorum] = [true, false];
    return isStream;
  }

  /** Has something come out of it. All that comes out of a stream has an offset; elsewhere a sender may have written one. */
  saw(delivery: Delivery): void {
    if (this.#isStream === false || this.#isQuorum !== undefined) return;
    this.#isStream = offsetOf(delivery) !== undefined;
  }

  /** Has something come that goes back, again and again: a quorum queue counts, whatever a sender has written. */
  sawAgain(delivery: Delivery): void {
    if (this.#isQuorum !== undefined || this.isStream) return;
    const last = this.#last;
    this.#last = delivery;
    if (last === undefined || !delivery.redelivered || !last.content.equals(delivery.content)) return;
    if (countOf(delivery) !== countOf(last) + 1) return;
    this.#isQuorum = true;
    this.#last = undefined;
  }
}

const REFUSED_BY_STREAM = /invalid arg 'x-priority' .*stream/;

/** Where in its stream a message is. */
export const offsetOf = ({ properties: { headers } }: Delivery): number | undefined => {
  const offset = headers?.['x-stream-offset'];
  return typeof offset === 'number' ? offset : undefined;
};

/** @see https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling */
const countOf = ({ properties: { headers } }: Delivery): number => {
  const count = headers?.['x-delivery-count'];
  return typeof count === 'number' ? count : 0;
};
