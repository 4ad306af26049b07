import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';

/** Which numbers have been handled, and how often. */
export class Tally {
  readonly #times = new Map<number, number>();
  #runs = 0;
  #highest = -1;

  readonly note = (number: number): void => {
    this.#runs += 1;
    this.#highest = Math.max(this.#highest, number);
    this.#times.set(number, (this.#times.get(number) ?? 0) + 1);
  };

  /** Different numbers. */
  get handled(): number {
    return this.#times.size;
  }

  /** How often a handler ran for a number that had been handled. */
  get duplicated(): number {
    return this.#runs - this.#times.size;
  }

  has(number: number): boolean {
    return this.#times.has(number);
  }

  /** The numbers below `end` that have not been handled. */
  missing(end: number): number[] {
    return Array.from({ length: end }, (_, number) => number).filter((number) => !this.#times.has(number));
  }

  /** Whether a number of at least `start` has been handled. */
  reached(start: number): boolean {
    return this.#highest >= start;
  }

  /** Resolves once every number below `end` has been handled, or rejects with what is missing when nothing was for so long. */
  async complete(end: number, stallMs = 60_000): Promise<void> {
    const isComplete = (): boolean => this.handled >= end && this.missing(end).length === 0;
    while (!isComplete()) {
      const runs = this.#runs;
      await eventually(() => {
        if (this.#runs > runs || isComplete()) return;
        const missing = this.missing(end);
        throw new Error(`${missing.length} of ${end} are missing: ${missing.slice(0, 20).join(', ')}`);
      }, stallMs);
    }
  }
}

export interface SenderOptions {
  /** How many may be on their way at once. @default 20 */
  readonly window?: number;
  /** The number to stop before. @default Infinity: until `stop` */
  readonly end?: number;
  /** After a failure, before the same number is sent again, in milliseconds. @default 20 */
  readonly restMs?: number;
  /** After each number, so that a long test does not send millions, in milliseconds. @default 0 */
  readonly pauseMs?: number;
}

/** Sends 0, 1, 2, ... and each again until it is confirmed. */
export class NumberedSender {
  /** Why sends have failed, by code. */
  readonly failures = new Map<string, number>();
  readonly #send: (number: number) => Promise<unknown>;
  readonly #end: number;
  readonly #restMs: number;
  readonly #pauseMs: number;
  readonly #done: Promise<unknown>;
  #next = 0;
  #confirmed = 0;
  #stopped = false;

  /** @param send rejects when nobody knows whether the number has arrived */
  constructor(send: (number: number) => Promise<unknown>, options: SenderOptions = {}) {
    const { window = 20, end = Infinity, restMs = 20, pauseMs = 0 } = options;
    this.#send = send;
    this.#end = end;
    this.#restMs = restMs;
    this.#pauseMs = pauseMs;
    this.#done = Promise.all(Array.from({ length: window }, () => this.#work()));
    // Whoever waits for the end hears of it.
    this.#done.catch(() => undefined);
  }

  /** The number that comes next: those below have been sent, and may not have been confirmed. */
  get next(): number {
    return this.#next;
  }

  /** How many are confirmed. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** How often a number was sent again. */
  get resent(): number {
    return [...this.failures.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Begins no further number, and resolves once all are confirmed; with how many there were. */
  async stop(): Promise<number> {
    this.#stopped = true;
    await this.#done;
    return this.#confirmed;
  }

  /** Resolves once all numbers up to the end are confirmed. */
  async finished(): Promise<void> {
    await this.#done;
  }

  async #work(): Promise<void> {
    while (!this.#stopped && this.#next < this.#end) {
      const number = this.#next;
      this.#next += 1;
      while (!(await this.#try(number))) await sleep(this.#restMs);
      this.#confirmed += 1;
      if (this.#pauseMs > 0) await sleep(this.#pauseMs);
    }
  }

  async #try(number: number): Promise<boolean> {
    try {
      await this.#send(number);
      return true;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
      // What no later attempt cures would be tried for ever.
      if (!RESENT.has(code)) throw error;
      return false;
    }
  }
}

/** What tells that a message may not have arrived. */
const RESENT = new Set(['OUTCOME_UNKNOWN', 'NOT_CONNECTED', 'NACKED', 'BUFFER_FULL', 'UNROUTABLE']);
