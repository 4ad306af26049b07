import { InvalidOptionError } from '../errors.js';
import { isRecord, readBoolean, readOneOf, readShortString, show } from './checks.js';
import { readExchange } from './exchange.js';
import type { AmqpTable, AmqpValue, Exchange } from './types.js';

/** Where a queue keeps its messages, and what it can do. */
export type QueueType = 'classic' | 'quorum' | 'stream';

/** What a queue is like. A flag that is not given is left to the broker and its policies, unless a default is named. */
export interface QueueFlags {
  /**
   * Whether it survives a restart of the broker. From RabbitMQ 4.3 on the broker refuses queues that are neither
   * durable nor exclusive, unless `deprecated_features.permit.transient_nonexcl_queues` is set.
   * @default true unless exclusive; with `compatibility: 'python'` false, but true for quorum queues and streams
   * @see https://www.rabbitmq.com/docs/queues#durability
   */
  readonly durable?: boolean | undefined;
  /**
   * Whether only the connection that declared it may use it; it is deleted with that connection.
   * @default false
   * @see https://www.rabbitmq.com/docs/queues#exclusive-queues
   */
  readonly exclusive?: boolean | undefined;
  /** Whether the broker deletes it when its last consumer goes. @default false */
  readonly autoDelete?: boolean | undefined;
  /**
   * Quorum queues are replicated, streams are replicated logs. Both are durable, not exclusive, not auto-delete.
   * @see https://www.rabbitmq.com/docs/quorum-queues
   */
  readonly type?: QueueType | undefined;
  /**
   * How long a message may wait, in milliseconds, 0 up to ten years. Not for streams.
   * @see https://www.rabbitmq.com/docs/ttl
   */
  readonly messageTtlMs?: number | undefined;
  /**
   * After how long without use the broker deletes the queue, in milliseconds, 1 up to ten years. Not for streams.
   * @see https://www.rabbitmq.com/docs/ttl#queue-ttl
   */
  readonly expiresMs?: number | undefined;
  /** How many messages may wait. Not for streams. @see https://www.rabbitmq.com/docs/maxlength */
  readonly maxLength?: number | undefined;
  /** How many bytes of message bodies may wait. @see https://www.rabbitmq.com/docs/maxlength */
  readonly maxLengthBytes?: number | undefined;
  /**
   * What happens to a message beyond those limits: the oldest is dropped, or the new one is refused (its publisher is
   * told), or the latter with dead-lettering (classic queues only). Not for streams. The broker's default: `drop-head`.
   */
  readonly overflow?: 'drop-head' | 'reject-publish' | 'reject-publish-dlx' | undefined;
  /**
   * Where rejected and expired messages go. An `Exchange` is declared together with the queue; a name has to exist, or
   * the broker drops those messages in silence. Not for streams.
   * @see https://www.rabbitmq.com/docs/dlx
   */
  readonly deadLetterExchange?: string | Exchange | undefined;
  /** The key they go with; without it, the key they came with. Needs a dead-letter exchange. */
  readonly deadLetterRoutingKey?: string | undefined;
  /**
   * How many priorities the queue tells apart, 1 to 255; a few are enough. Classic queues only (for quorum queues of
   * RabbitMQ 4.3 and later write `arguments: { 'x-max-priority': n }`).
   * @see https://www.rabbitmq.com/docs/priority
   */
  readonly maxPriority?: number | undefined;
  /** Whether one consumer gets everything and the others stand by. Not for streams. @see https://www.rabbitmq.com/docs/consumers#single-active-consumer */
  readonly singleActiveConsumer?: boolean | undefined;
  /**
   * How often a message may be delivered again before it is dropped or dead-lettered. -1: no limit (RabbitMQ 4.0 and
   * later, where 20 is the broker's default). Quorum queues only.
   * @see https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
   */
  readonly deliveryLimit?: number | undefined;
  /** How long a stream keeps its messages, in seconds. Streams only. @see https://www.rabbitmq.com/docs/streams#retention */
  readonly maxAgeSeconds?: number | undefined;
  /**
   * Further arguments, passed to the broker as they are: for what a broker can do and these flags do not know.
   * @default {}
   */
  readonly arguments?: AmqpTable | undefined;
}

/** Flags that AMQP has fields for; all others but `arguments` travel as arguments. */
export type PropertyFlag = 'durable' | 'exclusive' | 'autoDelete';
export type ArgumentFlag = Exclude<keyof QueueFlags, PropertyFlag | 'arguments'>;

interface Reader {
  readonly argument: string;
  readonly read: (value: unknown, option: string) => AmqpValue;
}

const TEN_YEARS_MS = 315_360_000_000;

const integer =
  (least: number, most: number, unit = '') =>
  (value: unknown, option: string): number => {
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most)
      return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    throw new InvalidOptionError(option, `must be a whole number ${range}${unit}, not ${show(value)}.`);
  };

const oneOf =
  (...allowed: readonly string[]) =>
  (value: unknown, option: string): AmqpValue =>
    readOneOf(value, allowed, option) ?? null;

const exchangeName = (value: unknown, option: string): string =>
  isRecord(value) ? readExchange(value, option).name : readShortString(value, option);

/** How each flag travels. An absent flag is never read. */
export const ARGUMENT_FLAGS: Readonly<Record<ArgumentFlag, Reader>> = {
  type: { argument: 'x-queue-type', read: oneOf('classic', 'quorum', 'stream') },
  messageTtlMs: { argument: 'x-message-ttl', read: integer(0, TEN_YEARS_MS, ' milliseconds') },
  expiresMs: { argument: 'x-expires', read: integer(1, TEN_YEARS_MS, ' milliseconds') },
  maxLength: { argument: 'x-max-length', read: integer(0, Number.MAX_SAFE_INTEGER) },
  maxLengthBytes: { argument: 'x-max-length-bytes', read: integer(0, Number.MAX_SAFE_INTEGER) },
  overflow: { argument: 'x-overflow', read: oneOf('drop-head', 'reject-publish', 'reject-publish-dlx') },
  deadLetterExchange: { argument: 'x-dead-letter-exchange', read: exchangeName },
  deadLetterRoutingKey: { argument: 'x-dead-letter-routing-key', read: readShortString },
  maxPriority: { argument: 'x-max-priority', read: integer(1, 255) },
  singleActiveConsumer: {
    argument: 'x-single-active-consumer',
    read: (value, option) => readBoolean(value, option) ?? null,
  },
  deliveryLimit: { argument: 'x-delivery-limit', read: integer(-1, Number.MAX_SAFE_INTEGER) },
  maxAgeSeconds: {
    argument: 'x-max-age',
    read: (value, option) => `${integer(1, Number.MAX_SAFE_INTEGER, ' seconds')(value, option)}s`,
  },
};

/** `Object.entries` with the keys' type: the table above is closed, and written once. */
export const ARGUMENT_FLAG_ENTRIES = Object.entries(ARGUMENT_FLAGS) as readonly (readonly [
  ArgumentFlag,
  Reader,
])[];
