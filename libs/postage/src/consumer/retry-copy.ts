import { CALL_HEADERS, RETRY_HEADERS } from '../connection/call-headers.js';
import type { Delivery, MessageProperties, OutgoingMessage } from '../connection/port.js';
import { isRecord } from '../wire/body.js';
import { attemptOf, deadlineOf, type Headers, type History } from './retry-history.js';

/** Why a message is a dead letter. */
export type DeathReason = 'failed' | 'rejected' | 'malformed';

/** What a copy tells of the runs so far. */
export interface Past {
  /** The queue that it came from. */
  readonly queue: string;
  readonly delivery: Delivery;
  readonly history: History | undefined;
  /** The handlers that it is for; none: nobody can tell which. */
  readonly labels: readonly string[];
  readonly error: string;
  readonly nowMs: number;
}

/** A copy that waits in `queue` for its next run. */
export const retryCopy = (past: Past, queue: string, waitMs: number): OutgoingMessage => {
  const { delivery, history, nowMs } = past;
  const deadlineMs = deadlineOf(delivery, history, nowMs);
  return copyTo(queue, past, {
    expiration: String(waitMs),
    headers: {
      ...pastHeaders(past),
      [CALL_HEADERS.retryAttempt]: attemptOf(history) + 1,
      ...(deadlineMs === undefined ? {} : { [CALL_HEADERS.deadline]: new Date(deadlineMs).toISOString() }),
    },
  });
};

/** A copy that stays in `queue` until somebody looks at it. */
export const deadLetterCopy = (past: Past, queue: string, reason: DeathReason): OutgoingMessage =>
  copyTo(queue, past, {
    expiration: undefined,
    headers: {
      ...pastHeaders(past),
      [CALL_HEADERS.retryAttempt]: attemptOf(past.history),
      [CALL_HEADERS.deathReason]: reason,
    },
  });

const LAST_ERROR_CHARACTERS = 1_000;

const pastHeaders = ({ queue, delivery, history, labels, error, nowMs }: Past): Headers => ({
  [CALL_HEADERS.queue]: queue,
  [CALL_HEADERS.firstFailure]: new Date(history?.firstFailureMs ?? nowMs).toISOString(),
  [CALL_HEADERS.lastError]: error.slice(0, LAST_ERROR_CHARACTERS),
  [CALL_HEADERS.originalExchange]: history?.exchange ?? delivery.exchange,
  [CALL_HEADERS.originalRoutingKey]: history?.routingKey ?? delivery.routingKey,
  ...(labels.length === 0 ? {} : { [CALL_HEADERS.handlers]: labels }),
});

const PERSISTENT = 2;

/** Bytes and properties as they came, but for what would mislead the broker. */
const copyTo = (
  routingKey: string,
  { queue, delivery: { content, properties } }: Past,
  { headers, expiration }: Pick<MessageProperties, 'headers' | 'expiration'>,
): OutgoingMessage => ({
  exchange: '',
  routingKey,
  content,
  properties: {
    ...properties,
    // A sender may take the loss of a message that is handled at once; what waits or is kept outlives the broker.
    deliveryMode: PERSISTENT,
    expiration,
    // The broker takes it from nobody but that user.
    userId: undefined,
    headers: { ...foreignHeaders(properties.headers, queue), ...headers },
  },
  mandatory: true,
});

/** The same copy with the least that it needs, for messages whose headers or properties can be read, but not written again. */
export const bareCopy = (copy: OutgoingMessage): OutgoingMessage => {
  const { contentType, contentEncoding, correlationId, messageId, deliveryMode, expiration } =
    copy.properties;
  const texts = Object.entries({ contentType, contentEncoding, correlationId, messageId });
  const written = Object.fromEntries(texts.filter(([, text]) => fits(text)));
  const headers = Object.entries(copy.properties.headers ?? {}).filter(([name]) => RETRY_HEADERS.has(name));
  return {
    ...copy,
    properties: { ...written, deliveryMode, expiration, headers: Object.fromEntries(headers) },
  };
};

/** Bytes that are no UTF-8 become longer when they are read. */
const fits = (text: string | undefined): boolean => text !== undefined && Buffer.byteLength(text) <= 255;

const NOT_COPIED: ReadonlySet<string> = new Set<string>([
  // Written anew for each copy.
  ...RETRY_HEADERS,
  // The broker would send the copy to these queues, too.
  'CC',
  'BCC',
  // Of the deliveries from a quorum queue so far.
  'x-delivery-count',
  'x-acquired-count',
]);

const foreignHeaders = (headers: Headers = {}, queue: string): Headers =>
  Object.fromEntries(Object.entries(withoutCircle(headers, queue)).filter(([name]) => !NOT_COPIED.has(name)));

/**
 * The broker drops a message that expires its way back into a queue where it has expired before, which it knows by this
 * header; and each of our own waits would add to it. What tells of other queues stays.
 * @see https://www.rabbitmq.com/docs/dlx
 */
const withoutCircle = (headers: Headers, queue: string): Headers => {
  const { 'x-death': deaths, ...others } = headers;
  if (!Array.isArray(deaths)) return headers;
  const kept = deaths.filter((death) => !isOurs(death, queue));
  if (kept.length > 0) return { ...others, 'x-death': kept };
  return Object.fromEntries(
    Object.entries(others).filter(([name]) => !/^x-(?:first|last)-death-/.test(name)),
  );
};

/** Any sender can write anything there, too. */
const isOurs = (death: unknown, queue: string): boolean => {
  if (!isRecord(death)) return true;
  const { queue: where, reason } = death;
  if (typeof where !== 'string' || !where.startsWith(queue)) return false;
  return where === queue
    ? reason !== 'rejected'
    : /^\.retry(?:-later)?\.\d+$/.test(where.slice(queue.length));
};
