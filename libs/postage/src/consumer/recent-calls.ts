import { deferred, type Deferred } from '../connection/deferred.js';
import type { CallAnswer } from './call-store.js';
import { Line } from '../connection/line.js';
import { KeptBytes, type Kept } from './kept-bytes.js';

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
  /** Its answer, once that is decided, as it will be remembered. */
  past: PastCall | undefined;

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

/** A call that was answered. */
class PastCall {
  readonly callId: string;
  isForgotten = false;
  readonly atMs = performance.now();
  readonly content: Kept;
  readonly #contentType: string;
  readonly #errorName: string | undefined;

  constructor(
    callId: string,
    content: Kept,
    { contentType, errorName }: Pick<CallAnswer, 'contentType' | 'errorName'>,
  ) {
    this.callId = callId;
    this.content = content;
    this.#contentType = contentType;
    this.#errorName = errorName;
  }

  get answer(): CallAnswer {
    const errorName = this.#errorName;
    return {
      content: this.content.read(),
      contentType: this.#contentType,
      ...(errorName === undefined ? {} : { errorName }),
    };
  }
}

/** Pages that are not full are memory that no limit counts: three of them at most, of this part of the limit each. */
const PAGE_SHARE = 1 / 8;
const MAX_PAGE_BYTES = 2 * 1024 * 1024;

/**
 * The calls that this process handles, or has answered a short while ago. Bounded by number, age and bytes; what is
 * forgotten would be handled again, were it repeated so late.
 */
export class RecentCalls {
  readonly #limits: RecentCallsLimits;
  readonly #known = new Map<string, RunningCall | PastCall>();
  /** What was answered, the oldest in front; and some that have been forgotten meanwhile. */
  readonly #line = new Line<PastCall>();
  readonly #contents: KeptBytes;
  #answered = 0;
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: RecentCallsLimits) {
    this.#limits = limits;
    this.#contents = new KeptBytes(Math.min(MAX_PAGE_BYTES, Math.floor(limits.maxBytes * PAGE_SHARE)));
  }

  /** How many are remembered, running ones included. */
  get size(): number {
    return this.#known.size;
  }

  find(callId: string): KnownCall | undefined {
    const known = this.#known.get(callId);
    if (known instanceof RunningCall) return { kind: 'running', call: known };
    return known === undefined || this.#isTooOld(known)
      ? undefined
      : { kind: 'answered', answer: known.answer };
  }

  begin({ callId, replyTo, correlationId }: RunningFacts): RunningCall {
    const before = this.#known.get(callId);
    if (before instanceof PastCall) this.#forget(before);
    const running = new RunningCall(callId, replyTo, correlationId);
    this.#known.set(callId, running);
    return running;
  }

  /** The answer is known, and is sent: from here on it is what repeated calls get. */
  answer(run: RunningCall, answer: CallAnswer): void {
    if (run.past) this.#forget(run.past);
    // One that is too large for all of the memory is no reason to forget the others.
    if (answer.content.length > this.#limits.maxBytes) return;
    const past = new PastCall(run.callId, this.#contents.keep(answer.content), answer);
    run.past = past;
    // Its run may have ended without an answer: this one comes late, and counts all the same.
    if (!this.#known.has(run.callId)) this.#known.set(run.callId, past);
    this.#line.push(past);
    this.#answered += 1;
    this.#bytes += past.content.bytes;
    this.#evict();
    this.#timer ??= this.#sweepLater();
  }

  /** The run is over, and its answer has been sent or could not be. A later run of the same call is left alone. */
  end(call: RunningCall, sent: SentAnswer | undefined): void {
    const { callId, past } = call;
    if (this.#known.get(callId) === call) {
      if (past === undefined || past.isForgotten) this.#known.delete(callId);
      else this.#known.set(callId, past);
    }
    call.end(sent);
  }

  /** Forgets what was answered. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (let past = this.#line.shift(); past !== undefined; past = this.#line.shift()) this.#forget(past);
    this.#contents.trim();
  }

  #evict(): void {
    const { maxCalls, maxBytes } = this.#limits;
    for (let oldest = this.#line.first; oldest !== undefined; oldest = this.#line.first) {
      const isMany = this.#answered > maxCalls || this.#bytes > maxBytes;
      if (!oldest.isForgotten && !isMany && !this.#isTooOld(oldest)) return;
      this.#forget(oldest);
      this.#line.shift();
    }
  }

  /** A process at rest need not keep what nobody will ask for; nor need it live on for that. */
  #sweepLater(): NodeJS.Timeout {
    return setTimeout(
      () => {
        this.#evict();
        this.#contents.trim();
        this.#timer = this.#answered > 0 ? this.#sweepLater() : undefined;
      },
      Math.min(this.#limits.maxAgeMs, MAX_SWEEP_MS),
    ).unref();
  }

  /** Idempotent. */
  #forget(past: PastCall): void {
    if (past.isForgotten) return;
    past.isForgotten = true;
    this.#answered -= 1;
    this.#bytes -= past.content.bytes;
    past.content.release();
    // It may still run: then its end forgets it.
    if (this.#known.get(past.callId) === past) this.#known.delete(past.callId);
  }

  #isTooOld({ atMs }: PastCall): boolean {
    return performance.now() - atMs > this.#limits.maxAgeMs;
  }
}

const MAX_SWEEP_MS = 60 * 60_000;
