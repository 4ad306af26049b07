import { InvalidOptionError } from '../errors.js';
import { freezeTable } from './amqp-table.js';
import {
  didYouMean,
  isRecord,
  placeOf,
  readBoolean,
  readOneOf,
  readShortString,
  refuseUnknownFields,
  show,
} from './checks.js';
import type { Place, UnknownRecord } from './checks.js';
import { DECLARE_MODES, readEntityName } from './entity-name.js';
import type { AmqpTable, DeclareMode, Exchange, ExchangeType } from './types.js';

/** What `defineExchange` takes. */
export interface ExchangeDefinition {
  /** At most 255 bytes in UTF-8. Names that start with `amq.` are the broker's own: they can be used, not declared. */
  readonly name: string;
  /**
   * How it routes.
   * @default 'direct'
   * @see https://www.rabbitmq.com/docs/exchanges#types
   */
  readonly type?: ExchangeType | undefined;
  /** Whether it survives a restart of the broker. @default true */
  readonly durable?: boolean | undefined;
  /** Whether the broker deletes it when its last binding goes. @default false */
  readonly autoDelete?: boolean | undefined;
  /** Whether only other exchanges may publish to it. @default false */
  readonly internal?: boolean | undefined;
  /** `true` is another word for `declare: 'passive'`, as in AMQP and Python Postage. @default false */
  readonly passive?: boolean | undefined;
  /** What to do about it before it is used. @default 'assert' */
  readonly declare?: DeclareMode | undefined;
  /**
   * Name of the exchange that gets what this one can not route. It is not declared by this.
   * @see https://www.rabbitmq.com/docs/ae
   */
  readonly alternateExchange?: string | undefined;
  /** Further arguments, passed to the broker as they are. @default {} */
  readonly arguments?: AmqpTable | undefined;
}

/**
 * Defines an exchange: plain data, checked once and deeply frozen. Nothing is sent to the broker.
 * @throws {InvalidOptionError} a field is missing, misspelt, of the wrong kind, or contradicts another; `option` is its name
 * @example
 * export const EchoExchange = defineExchange({ name: 'echo-exchange', type: 'direct', durable: true });
 * @see https://www.rabbitmq.com/amqp-0-9-1-reference#exchange.declare
 */
export const defineExchange = (definition: ExchangeDefinition): Exchange => {
  if (!isRecord(definition)) {
    const problem = `must be an object such as { name: 'echo-exchange', type: 'direct' }, not ${show(definition)}.`;
    throw new InvalidOptionError('definition', problem);
  }
  return exchangeAt(definition, placeOf(undefined));
};

/**
 * The exchange that every broker has: it takes a message to the queue whose name is the routing key. It can neither be
 * declared nor bound, only published to.
 * @see https://www.rabbitmq.com/docs/exchanges#default-exchange
 */
export const DEFAULT_EXCHANGE: Exchange = Object.freeze({
  name: '',
  type: 'direct',
  durable: true,
  autoDelete: false,
  internal: false,
  arguments: Object.freeze({}),
  declare: 'assume',
});

/**
 * Checks that a value in a list of the caller is an exchange that `defineExchange` made, or plain data of that shape.
 * @throws {InvalidOptionError} it is something else
 */
export const readExchange = (value: unknown, option: string): Exchange => {
  if (!isRecord(value) || EXCHANGE_FIELDS.some((field) => value[field] === undefined)) {
    throw new InvalidOptionError(option, noExchange(value));
  }
  if (value['name'] === '') return DEFAULT_EXCHANGE;
  const exchange = exchangeAt(value, placeOf(option));
  return isDefined(value) ? value : exchange;
};

/** Whether a checked exchange is already what `defineExchange` would return: then `===` may find it again. */
const isDefined = (value: UnknownRecord): value is UnknownRecord & Exchange =>
  Object.isFrozen(value) &&
  Object.isFrozen(value['arguments']) &&
  Object.keys(value).length === EXCHANGE_FIELDS.length;

const EXCHANGE_TYPES: readonly string[] = ['direct', 'fanout', 'topic', 'headers'];
const EXCHANGE_FIELDS = [
  'name',
  'type',
  'durable',
  'autoDelete',
  'internal',
  'arguments',
  'declare',
] as const;
const DEFINITION_FIELDS = [
  ...EXCHANGE_FIELDS,
  'passive',
  'alternateExchange',
] as const satisfies readonly (keyof ExchangeDefinition)[];
const ALTERNATE_EXCHANGE = 'alternate-exchange';
const IF_EMPTY =
  'must not be empty. That is the default exchange, which can not be declared: use DEFAULT_EXCHANGE.';
const HINTS = { exchange_type: 'write type', exchangeType: 'write type', exchange: 'write name' };

const exchangeAt = (given: UnknownRecord, at: Place): Exchange => {
  refuseUnknownFields({ given, known: DEFINITION_FIELDS, hints: HINTS, at });
  const declare = readDeclare(given, at);
  return Object.freeze({
    name: readEntityName(given['name'], { option: at('name'), declare, ifEmpty: IF_EMPTY }),
    type: readType(given['type'], at('type')),
    durable: readBoolean(given['durable'], at('durable')) ?? true,
    autoDelete: readBoolean(given['autoDelete'], at('autoDelete')) ?? false,
    internal: readBoolean(given['internal'], at('internal')) ?? false,
    arguments: readArguments(given, at),
    declare,
  });
};

const readType = (value: unknown, option: string): ExchangeType => {
  if (value === undefined) return 'direct';
  if (isExchangeType(value)) return value;
  throw new InvalidOptionError(
    option,
    `${show(value)} is neither direct, fanout, topic or headers nor a type of a plug-in, which starts with "x-"${didYouMean(value, EXCHANGE_TYPES)}`,
  );
};

const isExchangeType = (value: unknown): value is ExchangeType =>
  typeof value === 'string' && (EXCHANGE_TYPES.includes(value) || /^x-./.test(value));

const readDeclare = (given: UnknownRecord, at: Place): DeclareMode => {
  const passive = readBoolean(given['passive'], at('passive'));
  const declare = readOneOf(given['declare'], DECLARE_MODES, at('declare'));
  if (passive === undefined || declare === undefined) return declare ?? (passive ? 'passive' : 'assert');
  if (passive === (declare === 'passive')) return declare;
  throw new InvalidOptionError(
    at('passive'),
    `${passive} contradicts declare: '${declare}'. Give only one of them.`,
  );
};

const readArguments = (given: UnknownRecord, at: Place): AmqpTable => {
  const table = freezeTable(given['arguments'] === undefined ? {} : given['arguments'], at('arguments'));
  if (given['alternateExchange'] === undefined) return table;
  const alternate = readShortString(given['alternateExchange'], at('alternateExchange'));
  const present = table[ALTERNATE_EXCHANGE];
  if (present === undefined || present === alternate) {
    return Object.freeze({ ...table, [ALTERNATE_EXCHANGE]: alternate });
  }
  throw new InvalidOptionError(
    at('alternateExchange'),
    `${show(alternate)} contradicts arguments["${ALTERNATE_EXCHANGE}"], which is ${show(present)}. Give only one of them.`,
  );
};

const noExchange = (value: unknown): string => {
  if (typeof value === 'string') {
    return `must be an exchange, not its name ${show(value)}, which does not tell its type. Write defineExchange({ name: ${show(value)}, type: ... }), with declare: 'assume' when somebody else declares it.`;
  }
  return `must be an exchange as defineExchange({ name, type, ... }) returns it, not ${show(value)}.`;
};
