import type { AmqpTable, Binding, Exchange, Queue } from '../topology/types.js';

/**
 * What the library asks of a broker, and nothing more. `AmqpDriver` (amqplib) and `MemoryBroker` (tests) implement it;
 * everything above is written against it.
 *
 * Rules for implementations, which the contract suite checks:
 * - A refusal by the broker is a `BrokerError` with its AMQP code, and closes the channel, as AMQP says.
 * - Listeners are called at most once for `onClosed`, never synchronously inside the call that registers them.
 * - No operation stays pending when its channel or link ends: it rejects.
 * - A returned mandatory message is reported by `onReturn` before its publish is confirmed (RabbitMQ's order).
 */
export interface Driver {
  /** Opens one connection. Rejects with a `ConnectionError`. */
  connect(request: ConnectRequest): Promise<Link>;
}

export interface ConnectRequest {
  /** Shown by the broker's management, made from the fingerprint. */
  readonly connectionName: string;
  /** Aborted when the caller no longer wants the connection. */
  readonly signal?: AbortSignal | undefined;
}

/** One open connection to a broker. */
export interface Link {
  /** Where it leads, without credentials: for logs. */
  readonly address: string;
  /** How many channels it can have, where the broker has told; undefined: nobody knows. */
  readonly maxChannels?: number | undefined;
  /** How often both ends give a sign of life, in milliseconds, as agreed; undefined: never, or nobody knows. */
  readonly heartbeatMs?: number | undefined;
  openChannel(): Promise<ChannelPort>;
  /** Called once when the link is gone; the error is undefined when we closed it. */
  onClosed(listener: (error: Error | undefined) => void): void;
  /** Called when the broker starts (reason) or stops (undefined) blocking publishers. @see https://www.rabbitmq.com/docs/connection-blocked */
  onBlocked(listener: (reason: string | undefined) => void): void;
  /** Gives the broker another password or token for this connection. Rejects with a `ConnectionError`. Where it is absent there are none. */
  updateSecret?(secret: string): Promise<void>;
  /** Idempotent; never rejects; settles within its own time limit even when the peer is gone. */
  close(): Promise<void>;
}

/** AMQP basic properties, by the names that amqplib gives them. */
export interface MessageProperties {
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
  /** 1 transient, 2 persistent. */
  readonly deliveryMode?: number | undefined;
  readonly priority?: number | undefined;
  readonly correlationId?: string | undefined;
  readonly replyTo?: string | undefined;
  /** Time to live in milliseconds, as a decimal string (AMQP's type). */
  readonly expiration?: string | undefined;
  readonly messageId?: string | undefined;
  /** Seconds since 1970 (AMQP's type). */
  readonly timestamp?: number | undefined;
  readonly type?: string | undefined;
  readonly userId?: string | undefined;
  readonly appId?: string | undefined;
}

/** A message on its way to an exchange. */
export interface OutgoingMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  readonly properties: MessageProperties;
  /** Ask the broker to return the message when no queue takes it. */
  readonly mandatory: boolean;
}

/** A mandatory message that no queue took. */
export interface ReturnedMessage {
  readonly exchange: string;
  readonly routingKey: string;
  readonly replyCode: number;
  readonly replyText: string;
  readonly properties: MessageProperties;
}

/** A message as a consumer gets it. */
export interface Delivery {
  readonly deliveryTag: number;
  readonly redelivered: boolean;
  readonly exchange: string;
  readonly routingKey: string;
  readonly content: Buffer;
  readonly properties: MessageProperties;
  /** Why its properties are none: they could not be read. Such a message is malformed, whatever its content. */
  readonly problem?: string | undefined;
}

export interface ConsumeOptions {
  /** The broker forgets a message as soon as it is sent; there is nothing to ack. */
  readonly noAck?: boolean | undefined;
  /** Refuse a second consumer of the queue. */
  readonly exclusive?: boolean | undefined;
  readonly arguments?: AmqpTable | undefined;
}

export interface QueueStatus {
  readonly queue: string;
  readonly messageCount: number;
  readonly consumerCount: number;
}

/** Undefined: the broker has the message. Otherwise: why it has it not (nacked), or why nobody knows (channel lost). */
export type ConfirmListener = (failure: PublishFailure | undefined) => void;
export type PublishFailure =
  { readonly kind: 'nacked' } | { readonly kind: 'channel-lost'; readonly cause: Error };

/** One channel, always in confirm mode. All delivery tags belong to it alone. */
export interface ChannelPort {
  readonly isOpen: boolean;
  assertExchange(exchange: Exchange): Promise<void>;
  checkExchange(name: string): Promise<void>;
  deleteExchange(name: string): Promise<void>;
  /** An empty name asks the broker to choose one; the status tells it. */
  assertQueue(queue: Queue): Promise<QueueStatus>;
  checkQueue(name: string): Promise<QueueStatus>;
  deleteQueue(name: string): Promise<void>;
  bindQueue(binding: Binding): Promise<void>;
  unbindQueue(binding: Binding): Promise<void>;
  /** Per consumer (basic.qos global=false), for consumers started afterwards. 0: no limit. */
  prefetch(count: number): Promise<void>;
  /**
   * Starts a consumer and resolves with its tag. Deliveries may arrive before it resolves.
   * `onDelivery(null)`: the broker cancelled the consumer (its queue was deleted, or a node went away).
   */
  consume(
    queue: string,
    onDelivery: (delivery: Delivery | null) => void,
    options?: ConsumeOptions,
  ): Promise<string>;
  /** No delivery comes after it resolves. */
  cancel(consumerTag: string): Promise<void>;
  /** Writes the message; returns false when the caller should wait for `onDrain` before it writes more. */
  publish(message: OutgoingMessage, onConfirm: ConfirmListener): boolean;
  ack(deliveryTag: number, multiple: boolean): void;
  reject(deliveryTag: number, requeue: boolean): void;
  onReturn(listener: (message: ReturnedMessage) => void): void;
  onDrain(listener: () => void): void;
  /** Called once when the channel is gone; the error is undefined when we closed it, not when we closed its link. */
  onClosed(listener: (error: Error | undefined) => void): void;
  /** Idempotent; never rejects; settles within its own time limit. */
  close(): Promise<void>;
}
