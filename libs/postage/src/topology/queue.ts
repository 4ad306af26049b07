import { InvalidOptionError } from '../errors.js';
import { canonical, freezeTable } from './amqp-table.js';
import { isRecord, placeOf, readBoolean, readOneOf, refuseUnknownFields, show } from './checks.js';
import type { Place, UnknownRecord } from './checks.js';
import { DECLARE_MODES, readEntityName } from './entity-name.js';
import { ARGUMENT_FLAG_ENTRIES } from './queue-flags.js';
import type { PropertyFlag, QueueFlags } from './queue-flags.js';
import { refuseContradictions } from './queue-rules.js';
import type { AmqpTable, AmqpValue, DeclareMode, Queue } from './types.js';

export type { QueueFlags, QueueType } from './queue-flags.js';

/**
 * Which programs share our queues, which decides what a queue is when its flags do not say.
 * - `none`: only programs that use this library. Queues are durable unless they are exclusive.
 * - `python`: Python Postage as well. Queues are transient unless their flags say otherwise, as the original declares
 *   them, because the broker refuses two declarations of one queue that differ.
 */
export type Compatibility = 'none' | 'python';

/** A queue with flags, as callers write it. */
export interface QueueDefinition {
  /** At most 255 bytes in UTF-8. Names that start with `amq.` are the broker's own: they can be used, not declared. */
  readonly name: string;
  /** @default {} */
  readonly flags?: QueueFlags | undefined;
  /** What to do about it before it is used. @default 'assert' */
  readonly declare?: DeclareMode | undefined;
}

/** A queue as it may stand in an eqk: its name, its name with flags, or what `defineQueue` returned. */
export type QueueSpec = string | QueueDefinition | Queue;

export interface QueueContext {
  /** Which programs share the queue. @default 'none' */
  readonly compatibility?: Compatibility | undefined;
  /** How the caller wrote the queue, for errors, for example `eqk[0][1][0][0]`. By default fields stand alone. */
  readonly option?: string | undefined;
}

/**
 * Resolves a queue: flags become AMQP fields and arguments, defaults are filled in, and the result is deeply frozen.
 * A queue given by its name alone is durable, not exclusive and not auto-delete; see `QueueFlags` for the others.
 * @throws {InvalidOptionError} a flag is misspelt, out of range, or contradicts another; `option` is its name, for
 * example `flags.messageTtlMs`
 * @example
 * defineQueue({ name: 'jobs', flags: { type: 'quorum', deadLetterExchange: 'failed' } });
 * @see https://www.rabbitmq.com/docs/queues
 */
export const defineQueue = (spec: QueueSpec, context: QueueContext = {}): Queue => {
  const { compatibility = 'none', option } = context;
  const place = option ?? 'queue';
  readOneOf(compatibility, COMPATIBILITIES, 'compatibility');
  if (typeof spec === 'string') {
    const name = readEntityName(spec, { option: place, declare: 'assert', ifEmpty: IF_EMPTY });
    return queueOf({ name, declare: 'assert', flags: {}, at: placeOf(`${place}.flags`), compatibility });
  }
  if (!isRecord(spec)) throw new InvalidOptionError(place, `${show(spec)} is no queue: write ${EXAMPLES}.`);
  const given: UnknownRecord = spec;
  const at = placeOf(option);
  const plain = isQueue(given);
  refuseUnknownFields({ given, known: plain ? QUEUE_FIELDS : SPEC_FIELDS, hints: SPEC_HINTS, at });
  const declare = readOneOf(given['declare'], DECLARE_MODES, at('declare')) ?? 'assert';
  const name = readEntityName(given['name'], { option: at('name'), declare, ifEmpty: IF_EMPTY });
  const flags = plain ? given : readFlags(given['flags'], at);
  return queueOf({ name, declare, flags, at: plain ? at : placeOf(at('flags')), compatibility });
};

const COMPATIBILITIES = ['none', 'python'] as const satisfies readonly Compatibility[];
const SPEC_FIELDS = ['name', 'flags', 'declare'] as const satisfies readonly (keyof QueueDefinition)[];
const QUEUE_FIELDS = ['name', 'durable', 'exclusive', 'autoDelete', 'arguments', 'declare'] as const;
const PROPERTIES = ['durable', 'exclusive', 'autoDelete'] as const satisfies readonly PropertyFlag[];
const FLAGS: readonly string[] = [...PROPERTIES, ...ARGUMENT_FLAG_ENTRIES.map(([flag]) => flag), 'arguments'];
const EXAMPLES = "'jobs', or { name: 'jobs', flags: { ... } }";
const IF_EMPTY = `a queue needs a name: write ${EXAMPLES}.`;

const intoFlags = (flag: string): string => `write flags: { ${flag}: ... }`;
const SPEC_HINTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(FLAGS.map((flag) => [flag, intoFlags(flag)])),
  auto_delete: intoFlags('autoDelete'),
  passive: "write declare: 'passive'",
};
const FLAG_HINTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ARGUMENT_FLAG_ENTRIES.map(([flag, { argument }]) => [
      argument,
      `write ${flag}, or put it into arguments`,
    ]),
  ),
  passive: "write declare: 'passive' beside flags",
  declare: 'write it beside flags',
  name: 'write it beside flags',
  ttl: 'write messageTtlMs',
  lazy: 'RabbitMQ ignores it from 3.12 on and refuses it from 4.3 on. Remove it',
  queueMode: 'RabbitMQ ignores it from 3.12 on and refuses it from 4.3 on. Remove it',
};

interface Draft {
  readonly name: string;
  readonly declare: DeclareMode;
  readonly flags: UnknownRecord;
  /** Where the flags stand. */
  readonly at: Place;
  readonly compatibility: Compatibility;
}

const queueOf = ({ name, declare, flags, at, compatibility }: Draft): Queue => {
  const [durable, exclusive = false, autoDelete = false] = PROPERTIES.map((flag) =>
    readBoolean(flags[flag], at(flag)),
  );
  const table = argumentsOf(flags, at);
  const queue: Queue = Object.freeze({
    name,
    durable: durable ?? durableByDefault(table, exclusive, compatibility),
    exclusive,
    autoDelete,
    arguments: table,
    declare,
  });
  refuseContradictions(queue, flags, at);
  return queue;
};

/** Python Postage declares transient queues, whatever they are for; but no peer has a transient replicated queue. */
const durableByDefault = (table: AmqpTable, exclusive: boolean, compatibility: Compatibility): boolean => {
  const type = table['x-queue-type'];
  if (compatibility === 'python') return type === 'quorum' || type === 'stream';
  return !exclusive;
};

const readFlags = (value: unknown, at: Place): UnknownRecord => {
  if (value === undefined) return {};
  if (!isRecord(value)) throw new InvalidOptionError(at('flags'), `must be an object, not ${show(value)}.`);
  refuseUnknownFields({ given: value, known: FLAGS, hints: FLAG_HINTS, at: placeOf(at('flags')) });
  return value;
};

/** The flags as arguments, in the order of the table, after the arguments that the caller gave. */
const argumentsOf = (flags: UnknownRecord, at: Place): AmqpTable => {
  const given = freezeTable(flags['arguments'] === undefined ? {} : flags['arguments'], at('arguments'));
  const table: Record<string, AmqpValue> = { ...given };
  for (const [flag, { argument, read }] of ARGUMENT_FLAG_ENTRIES) {
    if (flags[flag] === undefined) continue;
    const value = read(flags[flag], at(flag));
    const present = given[argument];
    if (present !== undefined && canonical(present) !== canonical(value)) {
      const problem = `${show(value)} contradicts arguments["${argument}"], which is ${show(present)}. Give only one of them.`;
      throw new InvalidOptionError(at(flag), problem);
    }
    table[argument] = value;
  }
  return Object.freeze(table);
};

const isQueue = (spec: UnknownRecord): boolean => QUEUE_FIELDS.every((field) => spec[field] !== undefined);
