import { isBinding, isExchange } from './entity.js';
import type { Entity } from './entity.js';
import type { Explain } from './refusal-explanation.js';

/**
 * 403: the user lacks a permission, or nobody may do that.
 * @see https://www.rabbitmq.com/docs/access-control#authorisation
 */
export const explainAccess: Explain = (text, entity) => {
  if (/contains reserved prefix 'amq\.\*'|starts with reserved prefix 'amq\.'/.test(text)) {
    return {
      problem: 'names that start with "amq." are reserved for the broker',
      remedy: "Choose another name, or add declare: 'passive' to use one that the broker made.",
    };
  }
  if (text.includes('operation not permitted on the default exchange')) {
    return {
      problem: 'the default exchange can neither be declared nor bound',
      remedy: 'Use DEFAULT_EXCHANGE, with the name of the queue as the key.',
    };
  }
  return text.startsWith('ACCESS_REFUSED') ? explainMissingRight(text, entity) : undefined;
};

const explainMissingRight: Explain = (text, entity) => {
  const { kind, name, vhost, user, right } = REFUSED.exec(text)?.groups ?? {};
  const escape = isBinding(entity)
    ? 'have somebody bind it who may'
    : "have somebody declare it who may, and add declare: 'assume'";
  if (kind === undefined || name === undefined) {
    return {
      problem: `the broker refused access (${text.replace('ACCESS_REFUSED - ', '')})`,
      remedy: `Grant the user the permission (rabbitmqctl set_permissions), or ${escape}.`,
    };
  }
  return {
    problem: `user "${user}" lacks the ${right ?? rightFor(entity, kind, name)} permission on ${kind} "${name}" in vhost "${vhost}"`,
    remedy: `Grant it (rabbitmqctl set_permissions -p ${vhost} ${user} <configure> <write> <read>), or ${escape}.`,
  };
};

/** RabbitMQ names the missing right from 3.11 on. */
const REFUSED =
  /(?:(?<right>configure|write|read) )?access to (?<kind>queue|exchange) '(?<name>.*)' in vhost '(?<vhost>.*)' refused for user '(?<user>.*)'/s;

/** Which right RabbitMQ asks for: configure for what is declared, write and read for what messages flow into and out of. */
const rightFor = (entity: Entity, kind: string, name: string): string => {
  if (isBinding(entity)) return kind === 'queue' ? 'write' : 'read';
  if (entity.name !== name || isExchange(entity) !== (kind === 'exchange')) return 'write';
  const forwards = isExchange(entity) ? 'alternate-exchange' : 'x-dead-letter-exchange';
  return entity.arguments[forwards] === undefined ? 'configure' : 'configure or read';
};
