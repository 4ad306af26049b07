import { AsyncResource } from 'node:async_hooks';
import { WaitingLine, type InLine } from './waiting-line.js';

/** What is told when its time is over. */
export interface Timed {
  onTimeUp(): void;
}

/** Node's timers take no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** So many durations are remembered that nobody waits for at present. */
const MAX_KEPT = 32;

/**
 * Timers for things that hardly ever take their full time and mostly have the same one, such as the deadlines of publishes:
 * a timer of Node for each duration, not for each of them. Nothing is told early; whoever comes in between is told in order.
 */
export class Deadlines {
  readonly #lines = new Map<number, DeadlineLine>();
  /** A timer would keep, and hand on, the handler's scope of whoever happened to come first. */
  readonly #outside = new AsyncResource('PostageDeadlines');

  /** How many have not been told yet. */
  get size(): number {
    let size = 0;
    for (const line of this.#lines.values()) size += line.size;
    return size;
  }

  /** Tells it once so many milliseconds, a part of one counted in full, have gone by. */
  add(ms: number, timed: Timed): Deadline {
    const wholeMs = Math.max(1, Math.ceil(ms));
    return (this.#lines.get(wholeMs) ?? this.#open(wholeMs)).add(timed);
  }

  #open(ms: number): DeadlineLine {
    const isDropped = (): boolean => this.#lines.size > MAX_KEPT && this.#lines.delete(ms);
    const line = new DeadlineLine(ms, { outside: this.#outside, isDropped });
    this.#lines.set(ms, line);
    return line;
  }
}

/** One that waits for its time to be over. */
export class Deadline implements InLine<Deadline> {
  previous: Deadline | undefined;
  next: Deadline | undefined;
  readonly timed: Timed;
  readonly dueMs: number;
  #line: DeadlineLine | undefined;

  constructor(timed: Timed, dueMs: number, line: DeadlineLine) {
    this.timed = timed;
    this.dueMs = dueMs;
    this.#line = line;
  }

  /** Tells nobody any more. Idempotent. */
  cancel(): void {
    this.#line?.remove(this);
    this.#line = undefined;
  }
}

interface LineSurroundings {
  readonly outside: AsyncResource;
  /** Asked when nobody waits: whether nobody will. */
  readonly isDropped: () => boolean;
}

/** Those with one and the same duration: who came first is due first. While nobody waits, the timer runs out by itself. */
class DeadlineLine {
  readonly #ms: number;
  readonly #around: LineSurroundings;
  readonly #waiting = new WaitingLine<Deadline>();
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, around: LineSurroundings) {
    this.#ms = ms;
    this.#around = around;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(timed: Timed): Deadline {
    const deadline = new Deadline(timed, performance.now() + this.#ms, this);
    this.#waiting.push(deadline);
    // Where there is one, it was set for one that came earlier.
    if (this.#timer === undefined) this.#timer = this.#timerIn(this.#ms);
    else if (this.#waiting.size === 1) this.#timer.ref();
    return deadline;
  }

  remove(deadline: Deadline): void {
    this.#waiting.remove(deadline);
    if (this.#waiting.size > 0) return;
    if (this.#around.isDropped()) this.#setTimer(undefined);
    // Whoever comes next finds it running; meanwhile it keeps no process alive.
    else this.#timer?.unref();
  }

  #timerIn(ms: number): NodeJS.Timeout {
    // Where it is too long for a timer, it is set again.
    const limitMs = Math.min(ms, MAX_TIMER_MS);
    return this.#around.outside.runInAsyncScope(() => setTimeout(() => this.#tellThoseDue(), limitMs));
  }

  #setTimer(timer: NodeJS.Timeout | undefined): void {
    clearTimeout(this.#timer);
    this.#timer = timer;
  }

  #tellThoseDue(): void {
    const nowMs = performance.now();
    try {
      // The one that the timer was set for may have left.
      for (let { first } = this.#waiting; first && first.dueMs <= nowMs; first = this.#waiting.first) {
        first.cancel();
        first.timed.onTimeUp();
      }
    } finally {
      const { first } = this.#waiting;
      this.#setTimer(first && this.#timerIn(Math.ceil(first.dueMs - nowMs)));
    }
  }
}
