/** AMQP headers of this library: what a message says of itself, beside its body. Peers may ignore all of them. */
export const CALL_HEADERS = {
  /** Milliseconds that the caller will still wait, all attempts together, when the request was sent. */
  remainingMs: 'postage-remaining-ms',
  /** 1 for the first attempt. Its presence says that a message id names one call, and is given to no other. */
  attempt: 'postage-attempt',
  /** Of a reply: the class name of the refusal that an error result stands for. */
  errorName: 'postage-error-name',
  /** The message with which everything began that led to this one. */
  correlationId: 'postage-correlation-id',
  /** The message whose handler sent this one. */
  causationId: 'postage-causation-id',
  /** Of a status: the groups that the sender is in, a list of texts. */
  groups: 'postage-groups',
  /** Of a status: milliseconds until the sender's next heartbeat. */
  intervalMs: 'postage-interval-ms',
  /** Of a message that is tried again: which run this will be, 2 for the second. Of a dead letter: how often it ran. */
  retryAttempt: 'postage-retry-attempt',
  /** When a handler failed at it for the first time, as an ISO text. */
  firstFailure: 'postage-first-failure',
  /** Class and message of the last error, never its stack. */
  lastError: 'postage-last-error',
  /** Where it was sent to at first. */
  originalExchange: 'postage-exchange',
  originalRoutingKey: 'postage-routing-key',
  /** Which handlers it is for: their labels, a list of texts. */
  handlers: 'postage-handlers',
  /** When its time to live is over, as an ISO text. */
  deadline: 'postage-deadline',
  /** Of a dead letter: why it is one, `failed`, `rejected` or `malformed`. */
  deathReason: 'postage-reason',
} as const;
