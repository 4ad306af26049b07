import type { MessageProperties, OutgoingMessage } from '../../connection/port.js';
import { copyTable } from './table.js';

/** A message inside the broker: nobody outside holds any part of it. */
export interface BrokerMessage {
  readonly exchange: string;
  readonly routingKey: string;
  /** The routing key and those of the headers CC and BCC. @see https://www.rabbitmq.com/docs/sender-selected */
  readonly keys: readonly string[];
  readonly content: Buffer;
  readonly properties: MessageProperties;
}

const MAX_SHORT_STRING_BYTES = 255;
const SHORT_STRINGS = [
  'contentType',
  'contentEncoding',
  'correlationId',
  'replyTo',
  'expiration',
  'messageId',
  'type',
  'userId',
  'appId',
] as const;
const NUMBERS = ['deliveryMode', 'priority', 'timestamp'] as const;

/**
 * Takes a message from a publisher: checks what the encoder of a real client checks, and copies everything.
 * @throws {TypeError} a property, or the content, is of the wrong type
 */
export const acceptMessage = ({
  exchange,
  routingKey,
  content,
  properties,
}: OutgoingMessage): BrokerMessage => {
  requireShortString('exchange', exchange);
  requireShortString('routingKey', routingKey);
  for (const field of SHORT_STRINGS) {
    if (properties[field] !== undefined) requireShortString(field, properties[field]);
  }
  for (const field of NUMBERS) {
    if (properties[field] !== undefined) requireNumber(field, properties[field]);
  }
  if (!Buffer.isBuffer(content)) throw new TypeError('content is not a buffer');
  const headers = copyTable(properties.headers ?? {});
  const keys = [routingKey, ...keysIn(headers['CC']), ...keysIn(headers['BCC'])];
  delete headers['BCC'];
  return {
    exchange,
    routingKey,
    keys,
    content: Buffer.from(content),
    properties: withHeaders(properties, headers),
  };
};

/** What a consumer or publisher gets: a copy of its own. */
export const copyProperties = (properties: MessageProperties): MessageProperties =>
  withHeaders(properties, copyTable(properties.headers ?? {}));

/** The same properties in the same order with other headers; only the ones AMQP knows. */
export const withHeaders = (
  properties: MessageProperties,
  headers: Readonly<Record<string, unknown>>,
): MessageProperties => ({
  contentType: properties.contentType,
  contentEncoding: properties.contentEncoding,
  headers,
  deliveryMode: properties.deliveryMode,
  priority: properties.priority,
  correlationId: properties.correlationId,
  replyTo: properties.replyTo,
  expiration: properties.expiration,
  messageId: properties.messageId,
  timestamp: properties.timestamp,
  type: properties.type,
  userId: properties.userId,
  appId: properties.appId,
});

const keysIn = (header: unknown): readonly string[] =>
  Array.isArray(header) ? header.filter((key) => typeof key === 'string') : [];

const requireShortString = (field: string, value: unknown): void => {
  if (typeof value === 'string' && value.length < 64) return;
  if (typeof value === 'string' && Buffer.byteLength(value) <= MAX_SHORT_STRING_BYTES) return;
  throw new TypeError(`Field '${field}' is the wrong type; must be a string (up to 255 chars)`);
};

const requireNumber = (field: string, value: unknown): void => {
  if (typeof value === 'number' && !Number.isNaN(value)) return;
  throw new TypeError(`Field '${field}' is the wrong type; must be a number (but not NaN)`);
};
