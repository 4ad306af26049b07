import { createHash } from 'node:crypto';
import type { Delivery } from '../connection/port.js';

/** Names come from outside, so there must be a limit. */
const MAX_KNOWN = 10_000;

/** How many copies of one message have come by one way whose other copies have not come yet. */
interface Waiting {
  byFeed: number;
  /** By the queue, and taken there. */
  taken: number;
  /** By the queue, and left to the feed. */
  left: number;
}

/** Commands come by two ways, the feed and the queue of the process: of two copies one is taken. */
export class TwoWays {
  readonly #waiting = new Map<string, Waiting>();

  /** Whether a copy that has come by the feed is to be taken. */
  byFeed(delivery: Delivery): boolean {
    return this.#note(delivery, (waiting) => {
      if (waiting.taken > 0) {
        waiting.taken -= 1;
        return false;
      }
      if (waiting.left > 0) waiting.left -= 1;
      else waiting.byFeed += 1;
      return true;
    });
  }

  /**
   * Whether a copy that has come by the queue is to be taken.
   * @param isSure the feed is sure to get a copy, too; not of what comes again, perhaps from an earlier connection, whose feed
   * has gone with it
   */
  byQueue(delivery: Delivery, isSure: boolean): boolean {
    return this.#note(delivery, (waiting) => {
      if (waiting.byFeed > 0) waiting.byFeed -= 1;
      else if (delivery.redelivered) return true;
      else if (isSure) waiting.left += 1;
      else {
        waiting.taken += 1;
        return true;
      }
      return false;
    });
  }

  /** The feed brings no copy any more of what has come by the queue until now. */
  forgetQueue(): void {
    for (const [id, waiting] of this.#waiting) {
      waiting.taken = 0;
      waiting.left = 0;
      if (waiting.byFeed === 0) this.#waiting.delete(id);
    }
  }

  clear(): void {
    this.#waiting.clear();
  }

  get size(): number {
    return this.#waiting.size;
  }

  #note(delivery: Delivery, decide: (waiting: Waiting) => boolean): boolean {
    const id = idOf(delivery);
    const waiting = this.#waiting.get(id) ?? { byFeed: 0, taken: 0, left: 0 };
    const isTaken = decide(waiting);
    if (waiting.byFeed + waiting.taken + waiting.left === 0) this.#waiting.delete(id);
    else this.#waiting.set(id, waiting);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > MAX_KNOWN && oldest !== undefined) this.#waiting.delete(oldest);
    return isTaken;
  }
}

/** Python Postage gives its messages no ids. */
const idOf = ({ routingKey, content, properties: { messageId } }: Delivery): string =>
  messageId || createHash('sha1').update(routingKey).update('\n').update(content).digest('base64');
