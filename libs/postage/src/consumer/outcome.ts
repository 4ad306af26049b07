/** What becomes of a delivery at the broker. */
export type Settlement =
  /** Done with. */
  | 'ack'
  /** Not wanted: dead-lettered where the queue has a dead-letter exchange, else dropped. */
  | 'reject'
  /** Back to the queue. */
  | 'requeue';

/** Where a message goes for one of its handlers, or where it is left to. */
export interface Fate {
  readonly next: 'retry' | 'dead-letter' | 'reject' | 'requeue';
}

/**
 * What becomes of the delivery itself, once there are copies for the handlers that are to have one. One that wants all of it
 * back has its will; what nobody keeps a copy of is rejected (as Postage does), so that the broker can dead-letter it.
 */
export const settlementOf = (fates: readonly Fate[]): Settlement => {
  if (fates.some(({ next }) => next === 'requeue')) return 'requeue';
  return fates.some(({ next }) => next === 'reject') ? 'reject' : 'ack';
};
