import { InvalidOptionError } from '../errors.js';
import { isRecord, readShortString, show } from './checks.js';
import type { UnknownRecord } from './checks.js';
import type { AmqpTable, AmqpValue } from './types.js';

/**
 * A deeply frozen copy of a table that AMQP can carry.
 * @throws {InvalidOptionError} it can not: `option` names the value at fault
 * @see https://www.rabbitmq.com/docs/amqp-0-9-1-errata#section_3 the field types of RabbitMQ
 */
export const freezeTable = (table: unknown, option: string): AmqpTable => {
  if (!isPlainObject(table)) {
    throw new InvalidOptionError(option, `must be a plain object of AMQP values, not ${show(table)}.`);
  }
  return freezeRecord(table, option, []);
};

/** The same text for tables and values that are equal, whatever the order of their keys. */
export const canonical = (value: AmqpValue | undefined): string => {
  if (isList(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === undefined) return 'undefined';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return `{${fields.map(([key, each]) => `${JSON.stringify(key)}:${canonical(each)}`).join(',')}}`;
};

const freezeRecord = (record: UnknownRecord, option: string, parents: readonly object[]): AmqpTable => {
  refuseCycle(record, option, parents);
  const entries = Object.entries(record).map(([key, value]) => {
    const place = `${option}[${JSON.stringify(key)}]`;
    return [readShortString(key, place), freezeValue(value, place, [...parents, record])] as const;
  });
  return Object.freeze(Object.fromEntries(entries));
};

const freezeValue = (value: unknown, option: string, parents: readonly object[]): AmqpValue => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return readNumber(value, option);
  if (isPlainObject(value)) return freezeRecord(value, option, parents);
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    refuseCycle(items, option, parents);
    const inner = [...parents, items];
    return Object.freeze(Array.from(items, (item, index) => freezeValue(item, `${option}[${index}]`, inner)));
  }
  throw new InvalidOptionError(
    option,
    `must be a string, a number, a boolean, null, an array or a plain object, not ${show(value)}.`,
  );
};

/** amqplib throws on numbers that do not fit, in the middle of writing a frame. */
const readNumber = (value: number, option: string): number => {
  // Not a number is not within the limits either.
  if (Math.abs(value) <= Number.MAX_SAFE_INTEGER) return value;
  throw new InvalidOptionError(
    option,
    `${value} can not be written exactly. Give a number within plus or minus 2^53 - 1.`,
  );
};

const refuseCycle = (value: object, option: string, parents: readonly object[]): void => {
  if (parents.includes(value)) throw new InvalidOptionError(option, 'contains itself. Remove the cycle.');
};

const isList = (value: AmqpValue | undefined): value is readonly AmqpValue[] => Array.isArray(value);

/** Made by a literal or JSON, in whatever realm; not a Date, Map, Buffer or class. */
const isPlainObject = (value: unknown): value is UnknownRecord => {
  if (!isRecord(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
};
