import type { ChannelPort } from '../connection/port.js';
import type { Observer } from '../observability/observer.js';
import type { QueueLeftovers } from './leftovers.js';

export interface LeftoverSearchOptions {
  readonly queue: string;
  readonly observer: Observer;
  /** Only this process consumes it, although it is not exclusive. */
  readonly isPrivate?: boolean | undefined;
  /** Undefined: nobody wants to know. */
  readonly leftovers?: QueueLeftovers | undefined;
}

/** Looks what waits in a queue, before the first consumer of this process and each later one. */
export class LeftoverSearch {
  readonly #options: LeftoverSearchOptions;
  #hasLooked = false;

  constructor(options: LeftoverSearchOptions) {
    this.#options = options;
  }

  get hasLooked(): boolean {
    return this.#hasLooked;
  }

  /** @param held messages that have been delivered here already, and not started */
  async look(channel: ChannelPort, held: number): Promise<void> {
    const { leftovers, queue, isPrivate, observer } = this.#options;
    if (leftovers === undefined) return;
    const status = await channel.checkQueue(queue);
    const isAgain = this.#hasLooked;
    this.#hasLooked = true;
    leftovers.found({ ...status, messageCount: status.messageCount + held }, isAgain);
    if (isPrivate !== true || isAgain || status.consumerCount === 0) return;
    const text = `another process consumes "${queue}", the queue of this process alone: each of them gets only some of the messages. Give them different hosts or process ids in their fingerprints`;
    observer({ kind: 'warning', text });
  }
}
