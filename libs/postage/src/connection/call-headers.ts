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
} as const;
