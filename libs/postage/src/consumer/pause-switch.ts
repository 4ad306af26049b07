import { deferred, type Deferred } from '../connection/deferred.js';
import type { Observer } from '../observability/observer.js';

/** Whether one queue is paused, and who hears of it. */
export class PauseSwitch {
  readonly #queue: string;
  readonly #observer: Observer;
  #isOn: boolean;
  /** What observers know. */
  #isTold = false;
  /** Waits until the queue is consumed again, or will not be. */
  #waiting: Deferred<void> | undefined;

  constructor(queue: string, observer: Observer, isOn: boolean) {
    this.#queue = queue;
    this.#observer = observer;
    this.#isOn = isOn;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  turn(isOn: boolean): void {
    this.#isOn = isOn;
    if (isOn) this.endWaiting();
  }

  /** Nothing more comes. */
  tellPaused(): void {
    if (!this.#isOn || this.#isTold) return;
    this.#isTold = true;
    this.#observer({ kind: 'consumer.paused', queue: this.#queue });
  }

  /** It is consumed. */
  tellResumed(): void {
    if (this.#isTold) this.#observer({ kind: 'consumer.resumed', queue: this.#queue });
    this.#isTold = false;
    this.endWaiting();
  }

  /** Until `tellResumed`, or until it is paused again, or `endWaiting` says that there is nothing to wait for. */
  untilResumed(): Promise<void> {
    this.#waiting ??= deferred();
    return this.#waiting.promise;
  }

  /** Whoever waits should know why it takes so long. */
  failWaiting(error: unknown): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  endWaiting(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
