import { deferred, type Deferred } from '../connection/deferred.js';
import type { CallAnswer } from './call-store.js';
import { Line } from '../connection/line.js';

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

/** Small buffers are cut from larger ones, which each of them keeps whole; a text of one byte per character stands alone. */
const isCut = (content: Buffer): boolean => content.length < content.buffer.byteLength;

/** A call that was answered. */
class PastCall {
  readonly callId: string;
  readonly atMs = performance.now();
  readonly bytes: number;
  readonly #content: Buffer | string;
  readonly #contentType: string;
  readonly #errorName: string | undefined;

  constructor(callId: string, { content, contentType, errorName }: CallAnswer) {
    this.callId = callId;
    this.bytes = content.length;
    this.#content = isCut(content) ? content.toString('latin1') : content;
    this.#contentType = contentType;
    this.#errorName = errorName;
  }

  get answer(): CallAnswer {
    const content = typeof this.#content === 'string' ? Buffer.from(this.#content, 'latin1') : this.#content;
    const errorName = this.#errorName;
    return { content, contentType: this.#contentType, ...(errorName === undefined ? {} : { errorName }) };
  }
}

/**
 * The calls that this process handles, or has answered a short while ago. Bounded by number, age and bytes; what is
 * forgotten would be handled again, were it repeated so late.
 */
export class RecentCalls {
  readonly #limits: RecentCallsLimits;
  readonly #running = new Map<string, RunningCall>();
  readonly #answered = new Map<string, PastCall>();
  /** The same, the oldest in front; and some that have been forgotten meanwhile. */
  readonly #line = new Line<PastCall>();
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
    const past = new PastCall(callId, { content, contentType, errorName });
    this.#answered.set(callId, past);
    this.#line.push(past);
    this.#bytes += past.bytes;
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
    this.#line.clear();
    this.#bytes = 0;
  }

  #evict(): void {
    const { maxCalls, maxBytes } = this.#limits;
    for (let oldest = this.#line.first; oldest !== undefined; oldest = this.#line.first) {
      const { callId, atMs } = oldest;
      const isKnown = this.#answered.get(callId) === oldest;
      const isMany = this.#answered.size > maxCalls || this.#bytes > maxBytes;
      if (isKnown && !isMany && !this.#isTooOld(atMs)) return;
      if (isKnown) this.#forget(callId);
      this.#line.shift();
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
    this.#bytes -= past.bytes;
    this.#answered.delete(callId);
  }

  #isTooOld(atMs: number): boolean {
    return performance.now() - atMs > this.#limits.maxAgeMs;
  }
}

const MAX_SWEEP_MS = 60 * 60_000;
