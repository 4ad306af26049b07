// Kept from before a test installs fake timers: what is on the wire arrives even when time stands still.
const nextTurn = setImmediate;

/**
 * The way between clients and broker: what is sent arrives in the next turn of the event loop, in the order of sending.
 * Turns, not microtasks, so that an endless redelivery loop in a test leaves room for its timeout.
 */
export class Network {
  #onTheWay: (() => void)[] = [];
  #scheduled = false;

  send(arrival: () => void): void {
    this.#onTheWay.push(arrival);
    if (this.#scheduled) return;
    this.#scheduled = true;
    nextTurn(this.#arrive);
  }

  readonly #arrive = (): void => {
    const arrivals = this.#onTheWay;
    this.#onTheWay = [];
    this.#scheduled = false;
    for (const arrival of arrivals) arrival();
  };
}
