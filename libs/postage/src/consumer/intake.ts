import { Line } from '../connection/line.js';
import type { Delivery } from '../connection/port.js';

export interface IntakeOptions {
  /** How many may run at once. */
  readonly limit: number;
  /** Asked whenever one could start. */
  readonly mayStart: () => boolean;
  /** Begins to handle it; `ended` is to be called when that is over. */
  readonly start: (delivery: Delivery) => void;
}

/**
 * The deliveries of one channel on their way to the handlers. What may not start yet waits in the order in which it came.
 *
 * The broker counts for each consumer; of a queue that is paused and resumed there are several, one after the other. So what
 * the handlers of an earlier one still do counts here.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #waiting = new Line<Delivery>();
  #running = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** How many have come and not started. */
  get waiting(): number {
    return this.#waiting.size;
  }

  add(delivery: Delivery): void {
    if (this.#waiting.size === 0 && this.#mayStart()) this.#start(delivery);
    else {
      this.#waiting.push(delivery);
      this.startWaiting();
    }
  }

  /** One that was started is done with. */
  ended(): void {
    this.#running -= 1;
    if (this.#waiting.size > 0) this.startWaiting();
  }

  startWaiting(): void {
    while (this.#waiting.first !== undefined && this.#mayStart()) {
      const next = this.#waiting.shift();
      if (next) this.#start(next);
    }
  }

  /** Those that have not started, which are none of its business any more. */
  takeWaiting(): readonly Delivery[] {
    const all: Delivery[] = [];
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) all.push(next);
    return all;
  }

  #mayStart(): boolean {
    return this.#running < this.#options.limit && this.#options.mayStart();
  }

  #start(delivery: Delivery): void {
    this.#running += 1;
    this.#options.start(delivery);
  }
}
