import type { AmqpTable, AmqpValue, Queue } from '../../topology/types.js';
import { amqpType } from './equivalence.js';
import { notImplemented, preconditionFailed, queueRef } from './refusals.js';

export type Overflow = 'drop-head' | 'reject-publish' | 'reject-publish-dlx';

/** What the arguments of a queue mean. `Infinity` stands for no limit. */
export interface QueueSettings {
  readonly quorum: boolean;
  readonly messageTtlMs: number;
  readonly expiresMs: number;
  readonly maxLength: number;
  readonly maxBytes: number;
  readonly overflow: Overflow;
  readonly maxPriority: number;
  readonly deliveryLimit: number;
  readonly singleActiveConsumer: boolean;
  readonly deadLetterExchange: string | undefined;
  readonly deadLetterRoutingKey: string | undefined;
}

const OVERFLOWS: ReadonlySet<string> = new Set(['drop-head', 'reject-publish', 'reject-publish-dlx']);
const ONLY_QUORUM = ['x-delivery-limit', 'x-quorum-initial-group-size', 'x-dead-letter-strategy'];
const ONLY_CLASSIC = ['x-max-priority', 'x-queue-mode'];

/** @throws {BrokerError} 406: an argument has a value that RabbitMQ refuses; 540: a queue type that is not imitated */
export const resolveQueueSettings = (queue: Queue): QueueSettings => {
  const quorum = isQuorum(queue);
  const { arguments: table } = queue;
  const read = new ArgumentReader(queue.name, table);
  const deadLetterExchange = read.string('x-dead-letter-exchange', read.wrongEntityType);
  const settings: QueueSettings = {
    quorum,
    messageTtlMs: read.integer('x-message-ttl') ?? Infinity,
    expiresMs: read.positive('x-expires') ?? Infinity,
    maxLength: read.integer('x-max-length') ?? Infinity,
    maxBytes: read.integer('x-max-length-bytes') ?? Infinity,
    overflow: read.overflow(),
    maxPriority: read.integer('x-max-priority', 255) ?? 0,
    deliveryLimit: deliveryLimit(table),
    singleActiveConsumer: read.boolean('x-single-active-consumer') ?? false,
    deadLetterExchange,
    deadLetterRoutingKey: read.string('x-dead-letter-routing-key'),
  };
  if (settings.deadLetterRoutingKey !== undefined && deadLetterExchange === undefined) {
    throw read.invalid('x-dead-letter-routing-key', 'routing_key_but_no_dlx_defined');
  }
  refuseForeignArguments(queue, quorum);
  if (quorum) requireQuorumProperties(queue);
  return settings;
};

const isQuorum = ({ name, arguments: table }: Queue): boolean => {
  const read = new ArgumentReader(name, table);
  const type = read.string('x-queue-type') ?? 'classic';
  if (type === 'stream') throw notImplemented('MemoryBroker has no streams');
  if (type === 'classic' || type === 'quorum') return type === 'quorum';
  throw read.invalid('x-queue-type', `"unsupported queue type '${type}'"`);
};

const deliveryLimit = (table: AmqpTable): number => {
  const limit = table['x-delivery-limit'];
  return typeof limit === 'number' && limit >= 0 ? limit : Infinity;
};

const refuseForeignArguments = ({ name, arguments: table }: Queue, quorum: boolean): void => {
  const foreign = (quorum ? ONLY_CLASSIC : ONLY_QUORUM).find((argument) => table[argument] !== undefined);
  if (foreign === undefined) return;
  const type = quorum ? 'rabbit_quorum_queue' : 'rabbit_classic_queue';
  throw preconditionFailed(`invalid arg '${foreign}' for ${queueRef(name)} of queue type ${type}`);
};

const requireQuorumProperties = (queue: Queue): void => {
  const broken = [
    !queue.durable && 'non-durable',
    queue.exclusive && 'exclusive-owner',
    queue.autoDelete && 'auto-delete',
  ].find((property) => property !== false);
  if (broken !== undefined)
    throw preconditionFailed(`invalid property '${broken}' for ${queueRef(queue.name)}`);
};

class ArgumentReader {
  constructor(
    readonly queue: string,
    readonly table: AmqpTable,
  ) {}

  invalid(argument: string, problem: string): Error {
    return preconditionFailed(`invalid arg '${argument}' for ${queueRef(this.queue)}: ${problem}`);
  }

  integer(argument: string, max = Infinity): number | undefined {
    const value = this.#bare(argument);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      throw this.invalid(argument, `"expected integer, got ${amqpType(value)}"`);
    }
    if (value < 0) throw this.invalid(argument, `{value_negative,${value}}`);
    if (value > max) throw this.invalid(argument, `{max_value_exceeded,${value}}`);
    return value;
  }

  positive(argument: string): number | undefined {
    const value = this.integer(argument);
    if (value === 0) throw this.invalid(argument, '{value_zero,0}');
    return value;
  }

  string(argument: string, refusal = this.#wrongType): string | undefined {
    const value = this.#bare(argument);
    if (value === undefined || typeof value === 'string') return value;
    throw refusal(argument, value);
  }

  boolean(argument: string): boolean | undefined {
    const value = this.#bare(argument);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.#wrongType(argument, value);
  }

  overflow(): Overflow {
    const value = this.string('x-overflow') ?? 'drop-head';
    if (isOverflow(value)) return value;
    throw this.invalid('x-overflow', 'invalid_overflow');
  }

  readonly wrongEntityType = (argument: string, value: AmqpValue): Error =>
    preconditionFailed(`invalid type '${amqpType(value)}' for arg '${argument}' in ${queueRef(this.queue)}`);

  readonly #wrongType = (argument: string, value: AmqpValue): Error =>
    this.invalid(argument, `{unacceptable_type,${amqpType(value)}}`);

  /** Without amqplib's mark of a type: `{ '!': 'long', value: 5 }` is 5. */
  #bare(argument: string): AmqpValue | undefined {
    const value = this.table[argument];
    const marked = typeof value === 'object' && value !== null && !Array.isArray(value) && 'value' in value;
    return marked && '!' in value ? value['value'] : value;
  }
}

const isOverflow = (value: string): value is Overflow => OVERFLOWS.has(value);
