import { clockMs, cpuMicros } from './clock.js';
import type { Handle, WorkParameters } from './peer.js';
import type { Mark, MeterRequest } from './protocol.js';
import { quantile } from '../statistics.js';

/** What the handlers of a consumer call with every message. */
export interface Meter {
  readonly handle: Handle;
  /** Resolves once so many messages have come. */
  reached(count: number): Promise<Mark>;
}

/** A peer that hands out what it has not parsed, or something else, would be measured for nothing. */
const check = ({ text }: WorkParameters): void => {
  if (typeof text !== 'string') throw new TypeError('a handler was called without its parameters');
};

const markAt = (count: number): Mark => ({ count, atMs: clockMs(), cpuMicros: cpuMicros() });

/** Waits for a number that grows by one. */
class Counter {
  count = 0;
  readonly #waiting = new Map<number, (() => void)[]>();

  add(): void {
    this.count += 1;
    const waiting = this.#waiting.get(this.count);
    if (waiting === undefined) return;
    this.#waiting.delete(this.count);
    for (const resolve of waiting) resolve();
  }

  reached(count: number): Promise<void> {
    if (this.count >= count) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.set(count, [...(this.#waiting.get(count) ?? []), resolve]);
    });
  }
}

/** Takes down the time at each mark, in the handler itself. */
export class CountMeter implements Meter {
  readonly #counter = new Counter();
  readonly #marks = new Map<number, Mark>();
  #wanted: readonly number[];
  #next: number;
  /** What handlers wait for. */
  #gate: Promise<void> | undefined;
  #open: (() => void) | undefined;

  constructor(marks: readonly number[]) {
    this.#wanted = marks;
    this.#next = marks[0] ?? Infinity;
  }

  readonly handle: Handle = (parameters) => {
    check(parameters);
    const count = this.#counter.count + 1;
    if (count === this.#next) this.#mark(count);
    this.#counter.add();
    return this.#gate;
  };

  /** Lets handlers wait from now on; how many messages have come before. */
  hold(): number {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
    return this.#counter.count;
  }

  /** Lets them go, and takes down other marks than before. */
  release(marks: readonly number[]): void {
    this.#wanted = marks;
    this.#next = marks[0] ?? Infinity;
    this.#gate = undefined;
    this.#open?.();
  }

  async reached(count: number): Promise<Mark> {
    await this.#counter.reached(count);
    return this.#marks.get(count) ?? markAt(count);
  }

  #mark(count: number): void {
    this.#marks.set(count, markAt(count));
    this.#next = this.#wanted.find((mark) => mark > count) ?? Infinity;
  }
}

export class LatencyMeter implements Meter {
  readonly #counter = new Counter();
  #latenciesMs: number[] = [];

  readonly handle: Handle = (parameters) => {
    check(parameters);
    const { sentAtMs } = parameters;
    this.#latenciesMs.push(clockMs() - (sentAtMs ?? NaN));
    this.#counter.add();
    return undefined;
  };

  async reached(count: number): Promise<Mark> {
    await this.#counter.reached(count);
    return markAt(count);
  }

  /** Of those since the last time, once there are so many. */
  async take(count: number): Promise<{ readonly p50Ms: number; readonly p99Ms: number }> {
    await this.#counter.reached(count);
    const latenciesMs = this.#latenciesMs.toSorted((a, b) => a - b);
    this.#latenciesMs = [];
    this.#counter.count = 0;
    return { p50Ms: quantile(latenciesMs, 0.5), p99Ms: quantile(latenciesMs, 0.99) };
  }
}

export class HoldMeter implements Meter {
  readonly #counter = new Counter();
  readonly #held: (() => void)[] = [];
  #released = false;

  readonly handle: Handle = (parameters) => {
    check(parameters);
    this.#counter.add();
    if (this.#released) return undefined;
    return new Promise((resolve) => {
      this.#held.push(resolve);
    });
  };

  async reached(count: number): Promise<Mark> {
    await this.#counter.reached(count);
    return markAt(count);
  }

  release(): void {
    this.#released = true;
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

export const meterOf = (request: MeterRequest): CountMeter | LatencyMeter | HoldMeter => {
  switch (request.kind) {
    case 'count':
      return new CountMeter(request.marks);
    case 'latency':
      return new LatencyMeter();
    case 'hold':
      return new HoldMeter();
  }
};
