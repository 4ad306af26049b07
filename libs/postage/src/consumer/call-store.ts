/** The first answer to a call, as it was sent: enough to send it again. */
export interface CallAnswer {
  readonly content: Buffer;
  readonly contentType: string;
  /** The class name of the refusal that an error result stands for. */
  readonly errorName?: string | undefined;
}

/** What a store knows of a call. */
export type CallClaim =
  /** Nothing: from now on it is the caller's to handle. */
  | { readonly kind: 'claimed' }
  /** Another process handles it. */
  | { readonly kind: 'running' }
  | { readonly kind: 'answered'; readonly answer: CallAnswer };

/**
 * Remembers calls for several processes that consume the same queues, for example in Redis or a database table. What it
 * throws is reported, and the call is handled: to handle a call twice is the lesser evil.
 *
 * It can not promise that a call runs exactly once: a process may die between the work and `answered`, and what the broker
 * delivers again is handled again.
 */
export interface CallStore {
  /**
   * Must be atomic: of several processes that claim the same call, one gets `claimed`.
   * @param callId queue and message id of the request
   * @param leaseMs after that time without an answer the claim is void, and the call may be claimed again
   */
  claim(callId: string, leaseMs: number): CallClaim | Promise<CallClaim>;
  /** @param keepMs how long a repeated call should find the answer */
  answered(callId: string, answer: CallAnswer, keepMs: number): void | Promise<void>;
}
