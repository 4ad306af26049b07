import { CALL_HEADERS } from './call-headers.js';
import type { MessageProperties, ReturnedMessage } from './port.js';
import type { Publication } from './publication.js';

/**
 * Which of those that were sent to its exchange and are neither confirmed nor returned, in their order, has come back? Of
 * several with the same id and key the broker returns all or none, in their order: the first of them is meant. Returns are
 * rare, and mostly come before any confirm that is due later, so that what is looked for stands near the front.
 */
export const findReturned = (
  sent: Iterable<Publication>,
  { routingKey, properties }: Pick<ReturnedMessage, 'routingKey' | 'properties'>,
): Publication | undefined => {
  for (const publication of sent) {
    const { message } = publication.request;
    const mayBeIt = message.mandatory && message.routingKey === routingKey;
    if (mayBeIt && isSameMessage(message.properties, properties)) return publication;
  }
  return undefined;
};

/** All attempts of an rpc have the same message id. */
const isSameMessage = (a: MessageProperties, b: MessageProperties): boolean =>
  (a.messageId ?? '') === (b.messageId ?? '') && attemptOf(a) === attemptOf(b);

const attemptOf = ({ headers }: MessageProperties): number | undefined => {
  const attempt = headers?.[CALL_HEADERS.attempt];
  return typeof attempt === 'number' ? attempt : undefined;
};
