/** Built-in exchange types; plug-ins add others, for example `x-delayed-message`. */
export type ExchangeType = 'direct' | 'fanout' | 'topic' | 'headers' | (`x-${string}` & {});

/** A value of an AMQP table. */
export type AmqpValue =
  string | number | boolean | null | readonly AmqpValue[] | { readonly [key: string]: AmqpValue };

/** An AMQP table: arguments of exchanges, queues and bindings. */
export type AmqpTable = Readonly<Record<string, AmqpValue>>;

/**
 * What to do about an entity before it is used.
 * - `assert`: declare it; the broker refuses when it exists with other arguments.
 * - `passive`: only check that it exists.
 * - `assume`: do nothing, for users without the right to configure.
 */
export type DeclareMode = 'assert' | 'passive' | 'assume';

/** A validated exchange, as `defineExchange` returns it. */
export interface Exchange {
  readonly name: string;
  readonly type: ExchangeType;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly arguments: AmqpTable;
  readonly declare: DeclareMode;
}

/** A validated queue: its flags in AMQP's terms. */
export interface Queue {
  readonly name: string;
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: AmqpTable;
  readonly declare: DeclareMode;
}

/** One binding of a queue to an exchange. `arguments` matter to headers exchanges. */
export interface Binding {
  readonly exchange: string;
  readonly queue: string;
  readonly key: string;
  readonly arguments: AmqpTable;
}

/** What has to exist on the broker, in the order in which it is declared: exchanges, queues, bindings. */
export interface Topology {
  readonly exchanges: readonly Exchange[];
  readonly queues: readonly Queue[];
  readonly bindings: readonly Binding[];
}
