import { isBinding, isExchange, wantedOf } from './entity.js';
import { ARGUMENT_FLAG_ENTRIES } from './queue-flags.js';
import type { Explain } from './refusal-explanation.js';
import type { Exchange, Queue } from './types.js';

/** 406: it exists with other arguments. @see https://www.rabbitmq.com/docs/queues#property-equivalence */
export const explainMismatch: Explain = (text, entity) => {
  const argument = /inequivalent arg '(?<argument>[^']*)'/.exec(text)?.groups?.['argument'];
  if (argument === undefined || isBinding(entity)) return undefined;
  const [, received = '', current = ''] = /: ?received (.+?) but current is (.+)$/s.exec(text) ?? [];
  const wanted = valueOf(received) ?? wantedOf(entity, argument);
  const actual = valueOf(current);
  return {
    argument,
    wanted,
    actual,
    problem: problemOf({ argument, wanted, actual }),
    remedy: remedyOf(entity, argument, actual),
  };
};

/** 406: no queue or exchange of that kind can have the argument, or the value. */
export const explainInvalidArgument: Explain = (text, entity) => {
  const { argument, reason } =
    /invalid arg '(?<argument>[^']*)' for .* in vhost '.*?'(?<reason>.*)$/s.exec(text)?.groups ?? {};
  if (argument !== undefined) {
    return {
      problem: `the broker does not accept ${argument}${reason}`,
      argument,
      wanted: wantedOf(entity, argument),
      remedy: `Correct or remove ${optionOf(argument)}.`,
    };
  }
  const property = /invalid property '(?<property>[^']*)'/.exec(text)?.groups?.['property'];
  if (property === undefined) return undefined;
  const own = PROPERTY_NAMES[property] ?? property;
  return {
    problem: `a queue of its type can not be ${property === 'exclusive-owner' ? 'exclusive' : property}`,
    argument: own,
    wanted: wantedOf(entity, own),
    remedy:
      "Quorum queues and streams are durable, not exclusive and not auto-delete. Remove the flag, or use type: 'classic'.",
  };
};

/** RabbitMQ's names for what a quorum queue can not be. */
const PROPERTY_NAMES: Readonly<Record<string, string>> = {
  'non-durable': 'durable',
  'exclusive-owner': 'exclusive',
  'auto-delete': 'auto_delete',
};

/** `none`, `'true'` or `the value '5' of type 'byte'`; undefined for what was cut off. */
const valueOf = (phrase: string): string | undefined =>
  phrase === 'none' ? phrase : (/^the value '(.*)' of /s.exec(phrase) ?? /^'(.*)'$/s.exec(phrase))?.[1];

interface Difference {
  readonly argument: string;
  readonly wanted: string;
  readonly actual: string | undefined;
}

const problemOf = ({ argument, wanted, actual }: Difference): string => {
  if (actual === undefined) return `it exists with another ${argument} than ${wanted}`;
  // The text of RabbitMQ leaves the types out when both sides have a value.
  if (wanted === actual) {
    return `it exists with ${argument} ${actual} of another AMQP type (a string and a number differ)`;
  }
  if (actual === 'none') return `it exists without ${argument}, not with ${argument} ${wanted}`;
  if (wanted === 'none') return `it exists with ${argument} ${actual}, not without`;
  return `it exists with ${argument} ${actual}, not ${wanted}`;
};

const remedyOf = (entity: Exchange | Queue, argument: string, actual: string | undefined): string => {
  const adapt =
    actual === undefined
      ? 'Define it as the broker has it'
      : `Define it as it is (${definitionOf(entity, argument, actual)})`;
  if (isExchange(entity)) return `${adapt}, or delete it, bindings included, or choose another name.`;
  const replace = `or delete it (rabbitmqctl delete_queue "${entity.name}"), or choose another name.`;
  if (argument !== 'durable' && argument !== 'auto_delete') return `${adapt}, ${replace}`;
  return `${adapt}, ${replace} Where it is shared with Python Postage set compatibility: 'python'; where it is not, remove that.`;
};

/** What the caller would write to get what the broker has. */
const definitionOf = (entity: Exchange | Queue, argument: string, actual: string): string => {
  const option = optionOf(argument);
  if (actual === 'none') return `without ${option}`;
  const written = LITERAL.test(actual) ? actual : `'${actual}'`;
  const field = option.startsWith('arguments')
    ? `arguments: { '${argument}': ${written} }`
    : `${option}: ${written}`;
  return isExchange(entity) ? field : `flags: { ${field} }`;
};

const LITERAL = /^(?:true|false|-?\d+)$/;

/** The option that an argument of RabbitMQ comes from. */
const optionOf = (argument: string): string => {
  if (argument === 'auto_delete') return 'autoDelete';
  if (argument === 'alternate-exchange') return 'alternateExchange';
  if (!argument.includes('-')) return argument;
  return FLAG_OF.get(argument) ?? `arguments["${argument}"]`;
};

const FLAG_OF: ReadonlyMap<string, string> = new Map(
  // Ages are written in seconds by us, and in any unit by others: as an argument they are what the broker says.
  ARGUMENT_FLAG_ENTRIES.filter(([flag]) => flag !== 'maxAgeSeconds').map(([flag, { argument }]) => [
    argument,
    flag,
  ]),
);
