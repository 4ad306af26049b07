import { InvalidOptionError } from '../errors.js';
import type { Place, UnknownRecord } from './checks.js';
import { ARGUMENT_FLAGS } from './queue-flags.js';
import type { ArgumentFlag, PropertyFlag, QueueType } from './queue-flags.js';
import type { AmqpTable, Queue } from './types.js';

/** Flags that a type of queue can not have, and why or what instead. RabbitMQ would answer 406 to nearly all of them. */
const REFUSED: Readonly<Record<QueueType, Partial<Readonly<Record<ArgumentFlag, string>>>>> = {
  classic: {
    deliveryLimit: "only quorum queues count deliveries. Add type: 'quorum', or remove it",
    maxAgeSeconds: "only streams keep messages by age. Use messageTtlMs, or add type: 'stream'",
  },
  quorum: {
    maxAgeSeconds: "only streams keep messages by age. Use messageTtlMs, or type: 'stream'",
    maxPriority:
      "quorum queues have fixed priorities before RabbitMQ 4.3. Remove it; from 4.3 on write arguments: { 'x-max-priority': n }",
  },
  stream: {
    messageTtlMs: 'streams keep messages by age or size. Use maxAgeSeconds or maxLengthBytes',
    expiresMs: 'streams do not expire. Remove it',
    maxLength: 'streams keep messages by age or size. Use maxAgeSeconds or maxLengthBytes',
    overflow: 'streams always drop their oldest messages. Remove it',
    deadLetterExchange: 'streams do not dead-letter. Remove it',
    deadLetterRoutingKey: 'streams do not dead-letter. Remove it',
    maxPriority: 'streams have no priorities. Remove it',
    singleActiveConsumer: 'streams do not know it over AMQP 0-9-1. Remove it',
    deliveryLimit: "only quorum queues count deliveries. Use type: 'quorum', or remove it",
  },
};

/** What each property has to be in a replicated queue, and why it can not be otherwise. */
const REPLICATED: readonly (readonly [property: PropertyFlag, value: boolean, why: string])[] = [
  ['exclusive', false, 'it outlives the connection that declared it'],
  ['autoDelete', false, 'it outlives its consumers'],
  ['durable', true, 'it is kept on disk by several nodes'],
];

/**
 * Refuses flags that contradict each other, before the broker does so with fewer words. `arguments` are looked at for
 * the queue's type and dead-letter exchange; for the rest they are the caller's way around these rules.
 * @see https://www.rabbitmq.com/docs/quorum-queues#feature-matrix
 * @see https://www.rabbitmq.com/docs/streams#feature-comparison
 */
export const refuseContradictions = (queue: Queue, flags: UnknownRecord, at: Place): void => {
  const type = typeOf(queue.arguments);
  if (type !== undefined) refuseForType({ queue, flags, at, type });
  if (flags['deadLetterRoutingKey'] === undefined || isGiven(queue.arguments, 'deadLetterExchange')) return;
  throw new InvalidOptionError(
    at('deadLetterRoutingKey'),
    'has no effect without deadLetterExchange. Add that, or DEFAULT_EXCHANGE to dead-letter to the queue of that name.',
  );
};

interface TypedQueue {
  readonly queue: Queue;
  readonly flags: UnknownRecord;
  readonly at: Place;
  readonly type: QueueType;
}

const refuseForType = ({ queue, flags, at, type }: TypedQueue): void => {
  for (const [flag, why] of Object.entries(REFUSED[type])) {
    if (flags[flag] !== undefined)
      throw new InvalidOptionError(at(flag), `is not for ${NAMES[type]}: ${why}.`);
  }
  if (type === 'classic') return;
  for (const [property, value, why] of REPLICATED) {
    if (queue[property] === value) continue;
    const problem = `must be ${value} for ${NAMES[type]}: ${why}. Remove it, or use type: 'classic'.`;
    throw new InvalidOptionError(at(property), problem);
  }
  if (type === 'quorum' && flags['overflow'] === 'reject-publish-dlx') {
    const problem = `"reject-publish-dlx" is not for quorum queues, which would silently drop the oldest message instead. Use 'reject-publish'.`;
    throw new InvalidOptionError(at('overflow'), problem);
  }
};

const NAMES: Readonly<Record<QueueType, string>> = {
  classic: 'classic queues',
  quorum: 'quorum queues',
  stream: 'streams',
};

/** Without an argument the broker decides, by default for `classic`; of types of plug-ins nothing is known. */
const typeOf = (table: AmqpTable): QueueType | undefined => {
  const given = table[ARGUMENT_FLAGS.type.argument] ?? 'classic';
  return given === 'classic' || given === 'quorum' || given === 'stream' ? given : undefined;
};

const isGiven = (table: AmqpTable, flag: ArgumentFlag): boolean =>
  table[ARGUMENT_FLAGS[flag].argument] !== undefined;
