import type { PublishErrorCode } from '../errors.js';

/** What each code of a `PublishError` says. */
export const PUBLISH_PROBLEMS: Readonly<Record<PublishErrorCode, string>> = {
  NOT_CONNECTED: 'it could not be sent to the broker in time, and was not sent',
  UNROUTABLE: 'no queue is bound to that key; it was not delivered',
  NACKED: 'the broker refused it (basic.nack), for example because a queue is full',
  OUTCOME_UNKNOWN: 'it was sent, but no confirm came back; it may or may not have arrived',
  EXCHANGE_NOT_FOUND: 'the exchange does not exist; it was not delivered',
  ACCESS_REFUSED:
    'the user lacks the write permission on that exchange (rabbitmqctl set_permissions; the exchange "" is amq.default there); it was not delivered',
  BUFFER_FULL:
    'too many messages wait to be sent already (see publishing.maxWaiting and maxWaitingBytes); it was not sent',
  ABORTED: 'the caller aborted it',
};

/** Without it "no connection" would leave out the address and what was wrong with it. */
export const whyNotConnected = (code: PublishErrorCode, cause: unknown): string =>
  code === 'NOT_CONNECTED' && cause instanceof Error ? ` (${cause.message})` : '';
