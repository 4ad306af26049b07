import { deferred, type Deferred } from '../connection/deferred.js';
import type { CallAnswer } from './call-store.js';

/** How much of the past is remembered; nothing left to default. */
export interface RecentCallsLimits {
  readonly maxCalls: number;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

/** A call that is being handled in this process. */
export interface RunningCall {
  readonly callId: string;
  /** Where its answer goes, and for which correlation id. */
  readonly replyTo: string | undefined;
  readonly correlationId: string | undefined;
  /** Resolves with the answer, and whether the broker has taken it; with undefined when there will be none from here. */
  readonly answered: Promise<SentAnswer | undefined>;
}

export interface SentAnswer {
  readonly answer: CallAnswer;
  readonly isDelivered: boolean;
}

export type KnownCall =
  | { readonly kind: 'running'; readonly call: RunningCall }
  | { readonly kind: 'answered'; readonly answer: CallAnswer };

/**
 * The calls that this process handles, or has answered a short while ago. Bounded by number, age and bytes; what is
 * forgotten would be handled again, were it repeated so late.
 */
export class RecentCalls {
  readonly #limits: RecentCallsLimits;
  readonly #running = new Map<
    string,
    { readonly call: RunningCall; readonly done: Deferred<SentAnswer | undefined> }
  >();
  /** In the order of their answers, so that the oldest stand in front. */
  readonly #answered = new Map<string, { readonly answer: CallAnswer; readonly atMs: number }>();
  #bytes = 0;

  constructor(limits: RecentCallsLimits) {
    this.#limits = limits;
  }

  /** How many are remembered, running ones included. */
  get size(): number {
    return this.#running.size + this.#answered.size;
  }

  find(callId: string): KnownCall | undefined {
    const running = this.#running.get(callId);
    if (running) return { kind: 'running', call: running.call };
    const past = this.#answered.get(callId);
    if (past === undefined || this.#isTooOld(past.atMs)) return undefined;
    return { kind: 'answered', answer: past.answer };
  }

  begin(call: Omit<RunningCall, 'answered'>): void {
    const done = deferred<SentAnswer | undefined>();
    this.#running.set(call.callId, { call: { ...call, answered: done.promise }, done });
  }

  /** The answer is known, and is sent: from here on it is what repeated calls get. */
  answer(callId: string, answer: CallAnswer): void {
    if (!this.#running.has(callId)) return;
    this.#forget(callId);
    this.#answered.set(callId, { answer, atMs: performance.now() });
    this.#bytes += answer.content.length;
    this.#evict();
  }

  /** The run is over, and its answer has been sent or could not be. */
  end(callId: string, sent: SentAnswer | undefined): void {
    const running = this.#running.get(callId);
    this.#running.delete(callId);
    running?.done.resolve(sent);
  }

  #evict(): void {
    const { maxCalls, maxBytes } = this.#limits;
    for (const [callId, { atMs }] of this.#answered) {
      if (this.#answered.size <= maxCalls && this.#bytes <= maxBytes && !this.#isTooOld(atMs)) return;
      this.#forget(callId);
    }
  }

  #forget(callId: string): void {
    const past = this.#answered.get(callId);
    if (past === undefined) return;
    this.#bytes -= past.answer.content.length;
    this.#answered.delete(callId);
  }

  #isTooOld(atMs: number): boolean {
    return performance.now() - atMs > this.#limits.maxAgeMs;
  }
}
