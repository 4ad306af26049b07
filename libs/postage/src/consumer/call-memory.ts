import { CALL_HEADERS } from '../connection/call-headers.js';
import type { Delivery } from '../connection/port.js';
import type { CallAnswer, CallStore } from './call-store.js';
import type { RecentCalls, RunningCall, SentAnswer } from './recent-calls.js';

/** What is known of a call before it is handled. */
export type FirstOrNot =
  | { readonly kind: 'first'; readonly callId: string | undefined }
  | { readonly kind: 'running'; readonly call: RunningCall }
  /** In another process, which will answer. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'answered'; readonly answer: CallAnswer };

export interface CallMemoryOptions {
  readonly recent: RecentCalls;
  readonly store: CallStore | undefined;
  /** How long an answer is kept. */
  readonly maxAgeMs: number;
  readonly onStoreError: (error: unknown) => void;
}

/** Knows a repeated call again: by what this process remembers, then by what a shared store does. */
export class CallMemory {
  readonly #options: CallMemoryOptions;

  constructor(options: CallMemoryOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#options.recent.size;
  }

  /** Asked once for each delivery, before its handler runs. */
  async meet(queue: string, delivery: Delivery, remainingMs: number | undefined): Promise<FirstOrNot> {
    const callId = callIdOf(queue, delivery);
    if (callId === undefined) return { kind: 'first', callId };
    const { recent } = this.#options;
    const known = recent.find(callId);
    if (known) return known;
    const { replyTo, correlationId } = delivery.properties;
    // Before the store is asked: the same call may come once more meanwhile.
    recent.begin({ callId, replyTo, correlationId });
    return this.#claim(callId, delivery, remainingMs);
  }

  async #claim(
    callId: string,
    { redelivered }: Delivery,
    remainingMs: number | undefined,
  ): Promise<FirstOrNot> {
    const first = { kind: 'first', callId } as const;
    const { store, recent, maxAgeMs } = this.#options;
    if (store === undefined) return first;
    const claim = await this.#guarded(() => store.claim(callId, Math.ceil(remainingMs ?? maxAgeMs)));
    if (claim?.kind === 'answered') {
      recent.answer(callId, claim.answer);
      recent.end(callId, { answer: claim.answer, isDelivered: false });
      return claim;
    }
    // A redelivered message is one that whoever had it did not finish: the broker says so.
    if (claim?.kind !== 'running' || redelivered) return first;
    recent.end(callId, undefined);
    return { kind: 'elsewhere' };
  }

  /** The answer is decided: whoever repeats the call from now on gets it again. */
  async answered(callId: string | undefined, answer: CallAnswer): Promise<void> {
    if (callId === undefined) return;
    const { store, recent, maxAgeMs } = this.#options;
    recent.answer(callId, answer);
    if (store) await this.#guarded(() => store.answered(callId, answer, maxAgeMs));
  }

  ended(callId: string | undefined, sent: SentAnswer | undefined): void {
    if (callId !== undefined) this.#options.recent.end(callId, sent);
  }

  async #guarded<T>(ask: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      this.#options.onStoreError(error);
      return undefined;
    }
  }
}

/**
 * Only callers that number their attempts give a message id to one call and no other. A process may get one request from
 * several queues, for different handlers: each is a call of its own.
 */
const callIdOf = (queue: string, { properties: { messageId, headers } }: Delivery): string | undefined =>
  messageId && typeof headers?.[CALL_HEADERS.attempt] === 'number' ? `${queue}\n${messageId}` : undefined;
