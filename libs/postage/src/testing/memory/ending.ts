import { callSafely, type ErrorReport } from './listeners.js';
import type { Network } from './network.js';

/** The end of a channel or link: it comes once, and those who ask later hear of it, too. */
export class Ending {
  readonly #listeners = new Set<(error: Error | undefined) => void>();
  readonly #network: Network;
  readonly #report: ErrorReport;
  #reached: { readonly error: Error | undefined } | undefined;

  constructor(network: Network, report: ErrorReport) {
    this.#network = network;
    this.#report = report;
  }

  get reached(): boolean {
    return this.#reached !== undefined;
  }

  onReached(listener: (error: Error | undefined) => void): void {
    const reached = this.#reached;
    if (reached === undefined) this.#listeners.add(listener);
    else this.#network.send(() => callSafely(this.#report, () => listener(reached.error)));
  }

  reach(error: Error | undefined): void {
    if (this.#reached !== undefined) return;
    this.#reached = { error };
    for (const listener of this.#listeners) callSafely(this.#report, () => listener(error));
    this.#listeners.clear();
  }
}
