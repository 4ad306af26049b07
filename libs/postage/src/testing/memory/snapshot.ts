import type { MessageProperties } from '../../connection/port.js';
import type { Binding, Exchange, Queue } from '../../topology/types.js';
import { copyProperties } from './message.js';
import type { MemoryQueue } from './memory-queue.js';
import type { MemoryLink } from './memory-link.js';
import type { QueuedMessage } from './ready-messages.js';
import type { Vhost } from './vhost.js';

/** What a `MemoryBroker` holds at one moment, as plain data: nothing in it changes afterwards. */
export interface BrokerSnapshot {
  /** Without those that every broker has (`amq.*` and the default exchange). */
  readonly exchanges: readonly ExchangeSnapshot[];
  readonly queues: readonly QueueSnapshot[];
  /** Without the one to the default exchange that every queue has. */
  readonly bindings: readonly Binding[];
  readonly links: readonly LinkSnapshot[];
}

export type ExchangeSnapshot = Omit<Exchange, 'declare'>;

export interface QueueSnapshot extends Omit<Queue, 'declare'> {
  /** Waiting for a consumer, the next one first. */
  readonly ready: readonly MessageSnapshot[];
  /** How many were delivered and are not settled. */
  readonly unacked: number;
  readonly consumers: readonly ConsumerSnapshot[];
}

export interface MessageSnapshot {
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  readonly properties: MessageProperties;
  readonly redelivered: boolean;
}

export interface ConsumerSnapshot {
  readonly consumerTag: string;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  readonly prefetch: number;
  readonly unacked: number;
}

export interface LinkSnapshot {
  readonly connectionName: string;
  readonly address: string;
  readonly channels: number;
  readonly blocked: boolean;
}

export const takeSnapshot = (vhost: Vhost, links: Iterable<MemoryLink>): BrokerSnapshot => ({
  exchanges: [...vhost.exchanges].map(({ definition: { declare: _, ...exchange } }) => exchange),
  queues: [...vhost.queues.values()].map(queueSnapshot),
  bindings: [...vhost.exchanges.all].flatMap(({ bindings }) => bindings.map((binding) => ({ ...binding }))),
  links: [...links].map(({ connectionName, address, channelCount, isBlocked }) => ({
    connectionName,
    address,
    channels: channelCount,
    blocked: isBlocked,
  })),
});

const queueSnapshot = ({
  definition: { declare: _, ...queue },
  ready,
  unacked,
  consumers,
}: MemoryQueue): QueueSnapshot => ({
  ...queue,
  ready: [...ready].map(messageSnapshot),
  unacked,
  consumers: [...consumers].map(({ tag, noAck, exclusive, prefetch, unacked: own }) => ({
    consumerTag: tag,
    noAck,
    exclusive,
    prefetch,
    unacked: own,
  })),
});

const messageSnapshot = ({ message, returns }: QueuedMessage): MessageSnapshot => ({
  exchange: message.exchange,
  routingKey: message.routingKey,
  content: Buffer.from(message.content),
  properties: copyProperties(message.properties),
  redelivered: returns > 0,
});
