import { deferred, type Deferred } from '../connection/deferred.js';
import type { CallAnswer } from './call-store.js';

/** How much of the past is remembered; nothing left to default. */
export interface RecentCallsLimits {
  readonly maxCalls: number;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
}

/** A call that is being handled in this process; each run is another one. */
export class RunningCall {
  #done: Deferred<SentAnswer | undefined> | undefined;
  #end: { readonly sent: SentAnswer | undefined } | undefined;

  constructor(
    readonly callId: string,
    /** Where its answer goes, and for which correlation id. */
    readonly replyTo: string | undefined,
    readonly correlationId: string | undefined,
  ) {}

  /** Resolves with the answer, and whether the broker has taken it; with undefined when there will be none from here. */
  get answered(): Promise<SentAnswer | undefined> {
    if (this.#end) return Promise.resolve(this.#end.sent);
    // Hardly any call is repeated: the others need no promise.
    this.#done ??= deferred();
    return this.#done.promise;
  }

  end(sent: SentAnswer | undefined): void {
    this.#end ??= { sent };
    this.#done?.resolve(this.#end.sent);
  }
}

type RunningFacts = Pick<RunningCall, 'callId' | 'replyTo' | 'correlationId'>;

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
  readonly #running = new Map<string, RunningCall>();
  /** In the order of their answers, so that the oldest stand in front. */
  readonly #answered = new Map<string, { readonly answer: CallAnswer; readonly atMs: number }>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: RecentCallsLimits) {
    this.#limits = limits;
  }

  /** How many are remembered, running ones included. */
  get size(): number {
    return this.#running.size + this.#answered.size;
  }

  find(callId: string): KnownCall | undefined {
    const call = this.#running.get(callId);
    if (call) return { kind: 'running', call };
    const past = this.#answered.get(callId);
    if (past === undefined || this.#isTooOld(past.atMs)) return undefined;
    return { kind: 'answered', answer: past.answer };
  }

  begin({ callId, replyTo, correlationId }: RunningFacts): RunningCall {
    const running = new RunningCall(callId, replyTo, correlationId);
    this.#running.set(callId, running);
    return running;
  }

  /** The answer is known, and is sent: from here on it is what repeated calls get. */
  answer({ callId }: RunningCall, { content, contentType, errorName }: CallAnswer): void {
    this.#forget(callId);
    // One that is too large for all of the memory is no reason to forget the others.
    if (content.length > this.#limits.maxBytes) return;
    const answer = { content, contentType, ...(errorName === undefined ? {} : { errorName }) };
    this.#answered.set(callId, { answer, atMs: performance.now() });
    this.#bytes += content.length;
    this.#evict();
    this.#timer ??= this.#sweepLater();
  }

  /** The run is over, and its answer has been sent or could not be. A later run of the same call is left alone. */
  end(call: RunningCall, sent: SentAnswer | undefined): void {
    if (this.#running.get(call.callId) === call) this.#running.delete(call.callId);
    call.end(sent);
  }

  /** Forgets what was answered. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#answered.clear();
    this.#bytes = 0;
  }

  #evict(): void {
    const { maxCalls, maxBytes } = this.#limits;
    for (const [callId, { atMs }] of this.#answered) {
      if (this.#answered.size <= maxCalls && this.#bytes <= maxBytes && !this.#isTooOld(atMs)) return;
      this.#forget(callId);
    }
  }

  /** A process at rest need not keep what nobody will ask for; nor need it live on for that. */
  #sweepLater(): NodeJS.Timeout {
    return setTimeout(
      () => {
        this.#evict();
        this.#timer = this.#answered.size > 0 ? this.#sweepLater() : undefined;
      },
      Math.min(this.#limits.maxAgeMs, MAX_SWEEP_MS),
    ).unref();
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

const MAX_SWEEP_MS = 60 * 60_000;
