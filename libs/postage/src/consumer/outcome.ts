/** What becomes of a delivery at the broker. */
export type Settlement =
  /** Done with. */
  | 'ack'
  /** Not wanted: dead-lettered where the queue has a dead-letter exchange, else dropped. */
  | 'reject'
  /** Back to the queue. */
  | 'requeue';

/** How one message handler ended. */
export type HandlerOutcome = 'handled' | 'filtered' | 'failed';

/**
 * A message is rejected when any of its handlers failed (as Postage does), so that it can be dead-lettered; a handler
 * whose filter refused it does not count.
 */
export const settlementOf = (outcomes: readonly HandlerOutcome[]): Settlement =>
  outcomes.includes('failed') ? 'reject' : 'ack';
