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
  /** Of a copy or a dead letter: the consumed queue that it belongs to. In any other queue it tells nothing. */
  queue: 'postage-queue',
  /** When its time to live is over, as an ISO text. */
  deadline: 'postage-deadline',
  /** Of a dead letter: why it is one, `failed`, `rejected` or `malformed`. */
  deathReason: 'postage-reason',
} as const;

/** What copies and dead letters tell of the runs before: nobody else has anything to say there. */
export const RETRY_HEADERS: ReadonlySet<string> = new Set<string>([
  CALL_HEADERS.retryAttempt,
  CALL_HEADERS.firstFailure,
  CALL_HEADERS.lastError,
  CALL_HEADERS.originalExchange,
  CALL_HEADERS.originalRoutingKey,
  CALL_HEADERS.handlers,
  CALL_HEADERS.queue,
  CALL_HEADERS.deadline,
  CALL_HEADERS.deathReason,
]);
