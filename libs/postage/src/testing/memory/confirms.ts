import type { ConfirmListener, PublishFailure } from '../../connection/port.js';
import { callSafely, type ErrorReport } from './listeners.js';

/** Publishes of one channel that the broker has not confirmed, in their order. */
export class Confirms {
  readonly #waiting = new Map<number, ConfirmListener>();
  readonly #report: ErrorReport;
  #last = 0;

  constructor(report: ErrorReport) {
    this.#report = report;
  }

  /** Returns the number by which the publish is settled. */
  expect(listener: ConfirmListener): number {
    this.#last += 1;
    this.#waiting.set(this.#last, listener);
    return this.#last;
  }

  settle(publish: number, failure: PublishFailure | undefined): void {
    const listener = this.#waiting.get(publish);
    if (listener === undefined) return;
    this.#waiting.delete(publish);
    callSafely(this.#report, () => listener(failure));
  }

  failAll(cause: Error): void {
    for (const publish of this.#waiting.keys()) this.settle(publish, { kind: 'channel-lost', cause });
  }
}
