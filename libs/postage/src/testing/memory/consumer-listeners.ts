import type { Delivery } from '../../connection/port.js';
import { callSafely, type ErrorReport } from './listeners.js';

type DeliveryListener = (delivery: Delivery | null) => void;

/** Who gets the deliveries of a channel, by consumer tag. */
export class ConsumerListeners {
  readonly #byTag = new Map<string, DeliveryListener>();
  readonly #report: ErrorReport;

  constructor(report: ErrorReport) {
    this.#report = report;
  }

  add(consumerTag: string, listener: DeliveryListener): void {
    this.#byTag.set(consumerTag, listener);
  }

  remove(consumerTag: string): void {
    this.#byTag.delete(consumerTag);
  }

  clear(): void {
    this.#byTag.clear();
  }

  deliver(consumerTag: string, delivery: Delivery): void {
    this.#call(consumerTag, delivery);
  }

  /** The broker ended the consumer: it hears so, and nothing more. */
  cancel(consumerTag: string): void {
    this.#call(consumerTag, null);
    this.remove(consumerTag);
  }

  #call(consumerTag: string, delivery: Delivery | null): void {
    const listener = this.#byTag.get(consumerTag);
    if (listener !== undefined) callSafely(this.#report, () => listener(delivery));
  }
}
