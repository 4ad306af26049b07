import type { PublishErrorCode } from '../errors.js';
import type { PublishFailure } from './port.js';
import type { Publication } from './publication.js';

/** What is known of a channel that has ended. */
export interface EndedChannel {
  /** Several exchanges used it. */
  readonly isShared: boolean;
  /** The broker had taken something on it. */
  readonly hasConfirmed: boolean;
  /** Sent and not settled, this one included. */
  readonly unconfirmed: number;
}

/** Tells a publication what has become of it when the broker did not take it. */
export const refuse = (publication: Publication, channel: EndedChannel, failure: PublishFailure): void => {
  if (failure.kind === 'nacked') return publication.fail('NACKED');
  const { exchange } = publication.request.message;
  const refusal = isAbout(failure.cause, channel, exchange) ? refusalOf(failure.cause) : undefined;
  // A channel ends with the first message that the broker refuses. Where it took some before, only the last is surely none of those.
  const isSure = !channel.hasConfirmed || channel.unconfirmed === 1;
  publication.fail(refusal !== undefined && isSure ? refusal : 'OUTCOME_UNKNOWN', failure.cause);
};

const isMissing = ({ message }: Error): boolean => message.includes('NOT_FOUND - no exchange');

const refusalOf = (cause: Error): PublishErrorCode | undefined => {
  if (isMissing(cause)) return 'EXCHANGE_NOT_FOUND';
  return cause.message.includes('ACCESS_REFUSED') ? 'ACCESS_REFUSED' : undefined;
};

/** On a channel of its own it can be no other. RabbitMQ cuts its texts at 255 bytes, and long names with them. */
const isAbout = (
  { message }: Error,
  { isShared }: Pick<EndedChannel, 'isShared'>,
  exchange: string,
): boolean => {
  if (!isShared) return true;
  const named = / exchange '(.*?)(' in vhost|$)/s.exec(message);
  const [, name = '', end = ''] = named ?? [];
  const own = exchange || 'amq.default';
  return named !== null && (end === '' ? own.startsWith(name) : own === name);
};

/** The broker has ended the channel since this exchange is not there. */
export const isWithout = (error: Error, channel: Pick<EndedChannel, 'isShared'>, exchange: string): boolean =>
  isMissing(error) && isAbout(error, channel, exchange);
