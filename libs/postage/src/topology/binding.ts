import { InvalidOptionError } from '../errors.js';
import { canonical, freezeTable } from './amqp-table.js';
import { isRecord, readList, readShortString, readTuple, show } from './checks.js';
import { uniqueEntities } from './conflicts.js';
import { readExchange } from './exchange.js';
import { defineQueue } from './queue.js';
import type { Compatibility, QueueSpec } from './queue.js';
import type { AmqpTable, Binding, Exchange, Queue, Topology } from './types.js';

/** Where a message goes: an exchange and a routing key. */
export type Ek = readonly [exchange: Exchange, key: string];

/** Where messages go: to every couple. An rpc goes to the first. */
export type Eks = readonly Ek[];

/** A queue and the key that binds it. The arguments matter to headers exchanges. */
export type QueueBinding =
  readonly [queue: QueueSpec, key: string] | readonly [queue: QueueSpec, key: string, arguments: AmqpTable];

/** An exchange and the queues that are bound to it. */
export type EqkEntry = readonly [exchange: Exchange, bindings: readonly QueueBinding[]];

/**
 * Where messages come from, and through which keys.
 * @example
 * [[EchoExchange, [['echo-queue', 'echo-rk'], [{ name: 'mine', flags: { exclusive: true } }, 'echo-fanout-rk']]]]
 */
export type Eqk = readonly EqkEntry[];

/**
 * Checks couples of exchange and key, and freezes a copy of them. An empty list is a list.
 * @param optionName how the caller wrote it, for errors
 * @throws {InvalidOptionError} a couple is none, an exchange is given by its name, or a key is longer than 255 bytes;
 * `option` is the place, for example `eks[0][1]`
 */
export const defineEks = (eks: Eks, optionName = 'eks'): Eks => {
  const couples = readList(eks, optionName, '[[exchange, key], ...]');
  return Object.freeze(
    couples.map((couple, index) => {
      const option = `${optionName}[${index}]`;
      const [exchange, key] = readTuple(couple, option, { length: [2, 2], shape: '[exchange, key]' });
      return Object.freeze([
        readExchange(exchange, `${option}[0]`),
        readShortString(key, `${option}[1]`),
      ] as const);
    }),
  );
};

/**
 * Checks bindings, and freezes a copy of them.
 * @param optionName how the caller wrote it, for errors
 * @throws {InvalidOptionError} `option` is the place, for example `eqk[0][1][2][0].flags.messageTtlMs`
 */
export const defineEqk = (eqk: Eqk, optionName = 'eqk'): Eqk => {
  const entries = readList(eqk, optionName, EQK_SHAPE);
  return Object.freeze(entries.map((entry, index) => readEntry(entry, `${optionName}[${index}]`)));
};

export interface TopologyContext {
  /** Which programs share the queues. @default 'none' */
  readonly compatibility?: Compatibility | undefined;
  /** How the caller wrote the eqk, for errors. @default 'eqk' */
  readonly option?: string | undefined;
}

/** Nothing to declare. */
export const EMPTY_TOPOLOGY: Topology = Object.freeze({
  exchanges: Object.freeze([]),
  queues: Object.freeze([]),
  bindings: Object.freeze([]),
});

/** What has to exist before one publishes to an exchange; nothing for the default exchange. */
export const exchangeTopology = (exchange: Exchange): Topology => {
  if (exchange.name === '') return EMPTY_TOPOLOGY;
  const known = exchangeTopologies.get(exchange);
  if (known) return known;
  const topology = Object.freeze({ ...EMPTY_TOPOLOGY, exchanges: Object.freeze([exchange]) });
  exchangeTopologies.set(exchange, topology);
  return topology;
};

/** Every message needs that of its exchange. */
const exchangeTopologies = new WeakMap<Exchange, Topology>();

/**
 * What has to exist before one consumes an eqk, every entity once. A dead-letter exchange is part of it when it was
 * given as an `Exchange`. A queue beside the default exchange is declared and not bound: AMQP binds it already, under
 * its name.
 * @throws {InvalidOptionError} the eqk is wrong, or two definitions of one exchange or queue differ
 * @see https://www.rabbitmq.com/docs/exchanges#default-exchange
 */
export const topologyOf = (eqk: Eqk, context: TopologyContext = {}): Topology => {
  const { compatibility, option = 'eqk' } = context;
  const parts = defineEqk(eqk, option).flatMap(([exchange, bindings], index) => [
    exchangeTopology(exchange),
    ...bindings.map((binding, place) => {
      const queue = defineQueue(binding[0], { compatibility, option: `${option}[${index}][1][${place}][0]` });
      return bindingTopology({ exchange, queue, binding });
    }),
  ]);
  return mergeTopologies(...parts);
};

/**
 * One topology out of several: every entity once, in order of first appearance. Where definitions of one entity declare
 * it differently, that is an error; where one of them only checks or assumes it, the other one counts.
 * @throws {InvalidOptionError} naming the entity, the field and both values
 */
export const mergeTopologies = (...topologies: readonly Topology[]): Topology => {
  const bindings = topologies.flatMap((topology) => topology.bindings);
  return Object.freeze({
    exchanges: uniqueEntities(
      'exchange',
      topologies.flatMap(({ exchanges }) => exchanges),
    ),
    queues: uniqueEntities(
      'queue',
      topologies.flatMap(({ queues }) => queues),
    ),
    bindings: Object.freeze([...new Map(bindings.map((binding) => [identityOf(binding), binding])).values()]),
  });
};

const NO_ARGUMENTS: AmqpTable = Object.freeze({});
const EQK_SHAPE = '[[exchange, [[queue, key], ...]], ...]';
const ENTRY_SHAPE = '[exchange, [[queue, key], ...]]';
const BINDING_SHAPE = '[queue, key] or [queue, key, arguments]';

const readEntry = (entry: unknown, option: string): EqkEntry => {
  const [given, list] = readTuple(entry, option, { length: [2, 2], shape: ENTRY_SHAPE });
  const exchange = readExchange(given, `${option}[0]`);
  const bindings = readList(list, `${option}[1]`, '[[queue, key], ...]');
  return Object.freeze([
    exchange,
    Object.freeze(bindings.map((binding, index) => readBinding(binding, exchange, `${option}[1][${index}]`))),
  ]);
};

const readBinding = (value: unknown, exchange: Exchange, option: string): QueueBinding => {
  const [spec, key, table] = readTuple(value, option, { length: [2, 3], shape: BINDING_SHAPE });
  // The cast is what defineQueue is there to prove: it throws on whatever is no QueueSpec.
  const queue = defineQueue(spec as QueueSpec, { option: `${option}[0]` });
  const checkedKey = readShortString(key, `${option}[1]`);
  if (exchange.name === '') refuseDefaultBinding(queue.name, { key: checkedKey, table, option });
  const frozen = freezeSpec(spec as QueueSpec);
  if (table === undefined) return Object.freeze([frozen, checkedKey]);
  return Object.freeze([frozen, checkedKey, freezeTable(table, `${option}[2]`)]);
};

/** @see https://www.rabbitmq.com/amqp-0-9-1-reference#queue.bind */
const refuseDefaultBinding = (
  queue: string,
  given: { key: string; table: unknown; option: string },
): void => {
  const why = `the default exchange takes a message to the queue whose name is the key, and AMQP knows no other binding to it`;
  if (given.key !== queue) {
    throw new InvalidOptionError(
      `${given.option}[1]`,
      `must be the queue's name, ${show(queue)}, not ${show(given.key)}: ${why}.`,
    );
  }
  if (given.table === undefined) return;
  throw new InvalidOptionError(`${given.option}[2]`, `must be left out: ${why}.`);
};

interface Bound {
  readonly exchange: Exchange;
  readonly queue: Queue;
  readonly binding: QueueBinding;
}

const bindingTopology = ({
  exchange,
  queue,
  binding: [spec, key, table = NO_ARGUMENTS],
}: Bound): Topology => {
  const bound = exchange.name !== '';
  return {
    exchanges: deadLetterExchangesOf(spec),
    queues: [queue],
    bindings: bound
      ? [Object.freeze({ exchange: exchange.name, queue: queue.name, key, arguments: table })]
      : [],
  };
};

const deadLetterExchangesOf = (spec: QueueSpec): readonly Exchange[] => {
  const exchange = typeof spec === 'object' && 'flags' in spec ? spec.flags?.deadLetterExchange : undefined;
  return typeof exchange === 'object' ? exchangeTopology(exchange).exchanges : [];
};

const identityOf = ({ exchange, queue, key, arguments: table }: Binding): string =>
  canonical([exchange, queue, key, table]);

/** Checked specs are plain data: a copy that nobody can change. */
const freezeSpec = <T>(value: T): T => {
  // In both cases the same keys with the same values, hence the same type.
  if (Array.isArray(value)) return Object.freeze(value.map(freezeSpec)) as typeof value;
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, freezeSpec(each)]);
  return Object.freeze(Object.fromEntries(entries)) as typeof value;
};
