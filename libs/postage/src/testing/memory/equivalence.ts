import type { AmqpTable, Exchange, Queue } from '../../topology/types.js';
import { exchangeRef, preconditionFailed, queueRef } from './refusals.js';
import { sameValue } from './table.js';

/** The arguments that RabbitMQ compares on a second declaration; it ignores all others. */
const COMPARED_ARGUMENTS = [
  'x-expires',
  'x-message-ttl',
  'x-dead-letter-exchange',
  'x-dead-letter-routing-key',
  'x-dead-letter-strategy',
  'x-max-length',
  'x-max-length-bytes',
  'x-max-in-memory-length',
  'x-max-in-memory-bytes',
  'x-max-priority',
  'x-overflow',
  'x-queue-mode',
  'x-queue-version',
  'x-single-active-consumer',
  'x-queue-type',
  'x-quorum-initial-group-size',
  'x-delivery-limit',
] as const;

/** @throws {BrokerError} 406: the exchange exists with other properties */
export const requireSameExchange = (current: Exchange, received: Exchange): void => {
  const entity = exchangeRef(current.name);
  requireSame(entity, 'type', [received.type, current.type]);
  requireSame(entity, 'durable', [received.durable, current.durable]);
  requireSame(entity, 'auto_delete', [received.autoDelete, current.autoDelete]);
  requireSame(entity, 'internal', [received.internal, current.internal]);
  requireSameArgument(entity, 'alternate-exchange', [received.arguments, current.arguments]);
};

/** @throws {BrokerError} 406: the queue exists with other properties */
export const requireSameQueue = (current: Queue, received: Queue): void => {
  const entity = queueRef(current.name);
  requireSame(entity, 'durable', [received.durable, current.durable]);
  requireSame(entity, 'auto_delete', [received.autoDelete, current.autoDelete]);
  const tables = [withQueueType(received.arguments), withQueueType(current.arguments)] as const;
  for (const argument of COMPARED_ARGUMENTS) requireSameArgument(entity, argument, tables);
};

/** A queue without a type is a classic one, and equal to one that says so. */
const withQueueType = (table: AmqpTable): AmqpTable => {
  if (table['x-queue-type'] !== 'classic') return table;
  const { 'x-queue-type': _, ...others } = table;
  return others;
};

const requireSame = (
  entity: string,
  property: string,
  [received, current]: readonly [string | boolean, string | boolean],
): void => {
  if (received !== current) throw inequivalent(entity, property, `'${received}' but current is '${current}'`);
};

const requireSameArgument = (
  entity: string,
  argument: string,
  [receivedTable, currentTable]: readonly [AmqpTable, AmqpTable],
): void => {
  const received = valueOf(receivedTable[argument]);
  const current = valueOf(currentTable[argument]);
  if (sameValue(received, current)) return;
  // RabbitMQ names the types only when one of the two is missing.
  const describe = received === undefined || current === undefined ? described : quoted;
  throw inequivalent(entity, argument, `${describe(received)} but current is ${describe(current)}`);
};

const inequivalent = (entity: string, property: string, difference: string): Error =>
  preconditionFailed(`inequivalent arg '${property}' for ${entity}: received ${difference}`);

const quoted = (value: unknown): string => `'${printed(value)}'`;

const described = (value: unknown): string =>
  value === undefined ? 'none' : `the value '${printed(value)}' of type '${amqpType(value)}'`;

const printed = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** A number may be marked with a type, which does not make it another number. */
const valueOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && '!' in value && 'value' in value ? value.value : value;

/** The type that amqplib gives a value, in RabbitMQ's words. */
export const amqpType = (value: unknown): string => {
  if (typeof value === 'string') return 'longstr';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return numberType(value);
  if (value === null) return 'void';
  return Array.isArray(value) ? 'array' : 'table';
};

const numberType = (value: number): string => {
  if (!Number.isInteger(value)) return 'double';
  if (value >= -0x80 && value < 0x80) return 'byte';
  if (value >= -0x8000 && value < 0x8000) return 'short';
  return value >= -0x80000000 && value < 0x80000000 ? 'signedint' : 'long';
};
