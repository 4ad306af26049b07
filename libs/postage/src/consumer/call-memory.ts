import { CALL_HEADERS } from '../connection/call-headers.js';
import type { Delivery } from '../connection/port.js';
import { AbandonedClaims } from './abandoned-claims.js';
import type { CallAnswer, CallClaim, CallStore } from './call-store.js';
import type { RecentCalls, RunningCall, SentAnswer } from './recent-calls.js';
import type { RecentCallsSettings } from './recent-calls-options.js';

/** What is known of a call before it is handled. */
export type FirstOrNot =
  /** To be handled; `run` is how it is remembered, undefined where nobody could know it again. */
  | { readonly kind: 'first'; readonly run: RunningCall | undefined }
  | { readonly kind: 'running'; readonly call: RunningCall }
  /** In another process, which will answer. */
  | { readonly kind: 'elsewhere' }
  /** `run`: those who have joined wait for it to end. */
  | { readonly kind: 'answered'; readonly answer: CallAnswer; readonly run?: RunningCall | undefined };

export interface CallMemoryOptions extends Pick<
  RecentCallsSettings,
  'store' | 'storeTimeoutMs' | 'maxAgeMs'
> {
  readonly recent: RecentCalls;
  readonly onStoreError: (error: unknown) => void;
}

/** Knows a repeated call again: by what this process remembers, then by what a shared store does. */
export class CallMemory {
  readonly #options: CallMemoryOptions;
  /** Runs whose calls this process has claimed in the store, and when that claim ends. */
  readonly #claims = new WeakMap<RunningCall, number>();
  readonly #abandoned = new AbandonedClaims();

  constructor(options: CallMemoryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#options.recent.size;
  }

  /** Asked once for each delivery, before its handler runs. */
  meet(queue: string, delivery: Delivery, remainingMs: number | undefined): FirstOrNot | Promise<FirstOrNot> {
    const callId = callIdOf(queue, delivery);
    if (callId === undefined) return { kind: 'first', run: undefined };
    const { recent } = this.#options;
    const known = recent.find(callId);
    if (known) return known;
    const { replyTo, correlationId } = delivery.properties;
    // Before the store is asked: the same call may come once more meanwhile.
    const run = recent.begin({ callId, replyTo, correlationId });
    const { store } = this.#options;
    return store === undefined ? { kind: 'first', run } : this.#claim(store, { run, delivery, remainingMs });
  }

  async #claim(store: CallStore, { run, delivery, remainingMs }: Claimed): Promise<FirstOrNot> {
    const { recent, maxAgeMs } = this.#options;
    const leaseMs = Math.ceil(remainingMs ?? maxAgeMs);
    const leaseEndMs = performance.now() + leaseMs;
    const claim = await this.#ask(async () => checkClaim(await store.claim(run.callId, leaseMs)));
    if (claim?.kind === 'answered') {
      recent.answer(run, claim.answer);
      return { ...claim, run };
    }
    // A redelivered message is one that whoever had it did not finish: the broker says so.
    const isElsewhere =
      claim?.kind === 'running' && !delivery.redelivered && !this.#abandoned.take(run.callId);
    if (isElsewhere) {
      recent.end(run, undefined);
      return { kind: 'elsewhere' };
    }
    this.#claims.set(run, leaseEndMs);
    return { kind: 'first', run };
  }

  /** The answer is decided: whoever repeats the call from now on gets it again. Resolves when the store has it. */
  answered(run: RunningCall | undefined, answer: CallAnswer): Promise<void> | undefined {
    if (run === undefined) return undefined;
    const { store, recent, maxAgeMs } = this.#options;
    this.#claims.delete(run);
    recent.answer(run, answer);
    const { content, contentType, errorName } = answer;
    return (
      store && this.#ask(() => store.answered(run.callId, { content, contentType, errorName }, maxAgeMs))
    );
  }

  ended(run: RunningCall | undefined, sent: SentAnswer | undefined): void {
    if (!run) return;
    const leaseEndMs = this.#claims.get(run);
    // It has come to nothing here, and the store goes on taking it for running.
    if (leaseEndMs !== undefined) this.#abandoned.add(run.callId, leaseEndMs);
    this.#claims.delete(run);
    this.#options.recent.end(run, sent);
  }

  /** Nothing comes any more. */
  clear(): void {
    this.#options.recent.clear();
  }

  /** What the store says; undefined when it fails, or takes too long. */
  async #ask<T>(question: () => T | Promise<T>): Promise<T | undefined> {
    const { storeTimeoutMs, onStoreError } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      const error = new Error(`it did not answer within ${storeTimeoutMs} ms`);
      timer = setTimeout(reject, storeTimeoutMs, error);
    });
    try {
      return await Promise.race([question(), limit]);
    } catch (error) {
      onStoreError(error);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }
}

interface Claimed {
  readonly run: RunningCall;
  readonly delivery: Delivery;
  readonly remainingMs: number | undefined;
}

/** A store is somebody else's code, and often somebody else's data. */
const checkClaim = (claim: CallClaim): CallClaim => {
  const { kind } = claim;
  if (kind === 'claimed' || kind === 'running') return claim;
  const { content, contentType } = claim.answer;
  // Its type says that it is so.
  if ((kind as string) !== 'answered' || !Buffer.isBuffer(content) || typeof contentType !== 'string')
    throw new TypeError('it gave no claim: see CallClaim');
  return claim;
};

/**
 * Only callers that number their attempts give a message id to one call and no other. A process may get one request from
 * several queues, for different handlers: each is a call of its own.
 */
const callIdOf = (queue: string, { properties: { messageId, headers } }: Delivery): string | undefined =>
  messageId && typeof headers?.[CALL_HEADERS.attempt] === 'number' ? `${queue}\n${messageId}` : undefined;
