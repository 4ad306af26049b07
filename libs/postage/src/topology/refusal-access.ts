import { BrokerError, TopologyError } from '../errors.js';
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

/** The user lacks a right, whatever it was about. */
export const isAccessRefusal = (error: unknown): error is BrokerError =>
  error instanceof BrokerError && error.amqpCode === 403 && REFUSED.test(error.message);

/** The right to consume is missing; undefined when it was something else, such as a queue that another one has for itself. */
export const explainConsuming = (error: unknown): TopologyError | undefined => {
  if (!isAccessRefusal(error)) return undefined;
  const { name, vhost, user, right = 'read' } = REFUSED.exec(error.message)?.groups ?? {};
  return new TopologyError(
    `user "${user}" lacks the ${right} permission on queue "${name}" in vhost "${vhost}", and can not consume it`,
    { entity: `queue "${name}"`, amqpCode: 403, remedy: grant(vhost, user) },
    { cause: error },
  );
};

/** The right to have queues that the broker names, for replies. */
export const explainPrivateQueue = (error: BrokerError): TopologyError => {
  const { vhost, user } = REFUSED.exec(error.message)?.groups ?? {};
  return new TopologyError(
    `user "${user}" lacks the configure or read permission on queues of that name in vhost "${vhost}", where replies would come to`,
    {
      entity: 'private queue "amq.gen-..."',
      amqpCode: 403,
      remedy: `${grant(vhost, user)} It takes configure and read on ^amq\\.gen-.*$. For rpc and gather, write on amq.default does as well (direct reply-to).`,
    },
    { cause: error },
  );
};

const grant = (vhost = '', user = ''): string =>
  `Grant it (rabbitmqctl set_permissions -p ${vhost} ${user} <configure> <write> <read>).`;

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
