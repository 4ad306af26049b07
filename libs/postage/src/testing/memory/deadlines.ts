import type { MemoryClock } from './clock.js';

// setTimeout counts in 31 bits; what is later is armed again on the way.
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Something that has to act at a certain time: a queue with expiring messages, or that expires itself. */
export interface Sleeper {
  /** Acts on what is due; returns when to wake it next, `Infinity` for never. */
  wake(nowMs: number): number;
}

/** One timer for the whole broker, armed for the earliest deadline; none while it rests. */
export class Deadlines {
  readonly #clock: MemoryClock;
  readonly #sleepers = new Set<Sleeper>();
  #armedForMs = Infinity;
  #disarm: (() => void) | undefined;
  #resting = true;

  constructor(clock: MemoryClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  watch(sleeper: Sleeper, dueMs: number): void {
    if (dueMs === Infinity) return;
    this.#sleepers.add(sleeper);
    if (dueMs < this.#armedForMs) this.#arm(dueMs);
  }

  forget(sleeper: Sleeper): void {
    this.#sleepers.delete(sleeper);
  }

  /** Without a link nobody can see what expires: no timer is kept, and what is overdue waits for `resume`. */
  rest(): void {
    this.#resting = true;
    this.#clear();
  }

  resume(): void {
    this.#resting = false;
    this.runDue();
  }

  runDue(): void {
    this.#clear();
    const nowMs = this.#clock.now();
    let nextMs = Infinity;
    for (const sleeper of this.#sleepers) {
      const dueMs = sleeper.wake(nowMs);
      if (dueMs === Infinity) this.#sleepers.delete(sleeper);
      nextMs = Math.min(nextMs, dueMs);
    }
    if (nextMs < this.#armedForMs) this.#arm(nextMs);
  }

  #arm(dueMs: number): void {
    if (this.#resting) return;
    this.#clear();
    this.#armedForMs = dueMs;
    const delayMs = Math.min(Math.max(dueMs - this.#clock.now(), 0), MAX_DELAY_MS);
    this.#disarm = this.#clock.after(delayMs, () => this.runDue());
  }

  #clear(): void {
    this.#disarm?.();
    this.#disarm = undefined;
    this.#armedForMs = Infinity;
  }
}
