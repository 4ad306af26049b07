import type { ConsumeOptions, Delivery } from '../connection/port.js';
import type { Settlement } from './outcome.js';
import { offsetOf, type QueueNature } from './queue-nature.js';

/**
 * Where this process is in a stream: the broker does not remember it, so each further consumer has to say where it begins.
 * For all other queues it does nothing.
 * @see https://www.rabbitmq.com/docs/streams#consuming
 */
export class StreamPosition {
  readonly #nature: QueueNature;
  /** Delivered, and not done with. */
  readonly #open = new Set<number>();
  /** Where the next consumer begins; undefined: nothing has come yet. */
  #next: number | undefined;

  constructor(nature: QueueNature) {
    this.#nature = nature;
  }

  came(delivery: Delivery): void {
    this.#nature.saw(delivery);
    const offset = this.#offsetOf(delivery);
    if (offset === undefined) return;
    this.#open.add(offset);
    this.#next = offset + 1;
  }

  /** It is done with, whatever came of it. Returns how to tell the broker. */
  settled(delivery: Delivery, settlement: Settlement): Settlement {
    if (!this.#nature.isStream) return settlement;
    const offset = this.#offsetOf(delivery);
    if (offset !== undefined) this.#open.delete(offset);
    return 'ack';
  }

  /** It has not been started: the next consumer gets it again. Returns how to tell the broker. */
  returned(delivery: Delivery): Settlement {
    const offset = this.#offsetOf(delivery);
    if (offset !== undefined) this.#backTo(offset);
    return this.settled(delivery, 'requeue');
  }

  /** The channel is gone: what was not done with comes again, and with it what came after that. */
  lost(): void {
    for (const offset of this.#open) this.#backTo(offset);
    this.#open.clear();
  }

  /** For the next consumer. */
  begin(options: ConsumeOptions): ConsumeOptions {
    if (!this.#nature.isStream || this.#next === undefined) return options;
    return { ...options, arguments: { ...options.arguments, 'x-stream-offset': this.#next } };
  }

  #backTo(offset: number): void {
    this.#next = Math.min(offset, this.#next ?? offset);
  }

  #offsetOf(delivery: Delivery): number | undefined {
    return this.#nature.isStream ? offsetOf(delivery) : undefined;
  }
}
