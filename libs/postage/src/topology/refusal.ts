import { TopologyError } from '../errors.js';
import { describeEntity } from './entity.js';
import type { Entity } from './entity.js';
import { explainAccess } from './refusal-access.js';
import { explainInvalidArgument, explainMismatch } from './refusal-mismatch.js';
import type { Explanation, Explain } from './refusal-explanation.js';

/** A refusal as the client library reported it. */
export interface RefusedOperation {
  /** AMQP reply code, when there was one. */
  readonly amqpCode: number | undefined;
  /** RabbitMQ's reply text, with or without the words that amqplib puts around it. */
  readonly text: string;
  readonly cause: unknown;
}

/**
 * Turns RabbitMQ's reply to a declaration or binding into an error that names the entity, the argument, both values,
 * and what to do. Pure: it returns the error and does not throw it. Texts it does not know it passes on as they are.
 * Reply texts are cut at 255 bytes, hence `actual` may be missing.
 * @see https://www.rabbitmq.com/amqp-0-9-1-reference#constants
 */
export const explainRefusal = (operation: RefusedOperation, entity: Entity): TopologyError => {
  const text = replyTextOf(operation.text);
  const { problem, ...explanation } = explain(text, entity);
  return new TopologyError(
    problem,
    { entity: describeEntity(entity), amqpCode: operation.amqpCode, ...explanation },
    { cause: operation.cause },
  );
};

const PERMANENT: ReadonlySet<number | undefined> = new Set([403, 404, 406, 530]);
const LOCKED = 405;

/**
 * Whether the same declaration will be refused again until somebody changes something. Not so 405 (see
 * `isLockRefusal`) and whatever ends with the failure of a node. With the text it also knows the refusals that close
 * the whole connection: an unknown exchange type (503), and a queue that this version of the broker does not permit (541).
 */
export const isPermanentRefusal = (amqpCode: number | undefined, text = ''): boolean => {
  if (NODE_DOWN.test(text)) return false;
  return PERMANENT.has(amqpCode) || UNKNOWN_TYPE.test(text) || TRANSIENT_QUEUE.test(text);
};

/**
 * Whether a queue belongs exclusively to another connection. After a reconnect that may be our own previous one, which
 * the broker still takes for alive: then it ends by itself, at the latest after the heartbeat timeout.
 * @see https://www.rabbitmq.com/docs/queues#exclusive-queues
 */
export const isLockRefusal = (amqpCode: number | undefined): boolean => amqpCode === LOCKED;

const NODE_DOWN = /is down or inaccessible|stopped by supervisor/;
const UNKNOWN_TYPE = /(?:unknown|invalid) exchange type '(?<type>.*)'/s;
const TRANSIENT_QUEUE = /`transient_nonexcl_queues` is deprecated/;

/** What RabbitMQ itself said. */
const replyTextOf = (text: string): string => /with message "(.*)"$/s.exec(text)?.[1] ?? text;

/** Without the name of the reply code and the full stop. */
const plain = (text: string): string => text.replace(/^[A-Z_]+ - /, '').replace(/\.$/, '');

const explain: (text: string, entity: Entity) => Explanation = (text, entity) => {
  for (const each of EXPLANATIONS) {
    const explanation = each(text, entity);
    if (explanation !== undefined) return explanation;
  }
  return {
    problem: plain(text),
    remedy: 'The log of the broker may tell more.',
  };
};

const explainNodeDown: Explain = (text) =>
  NODE_DOWN.test(text)
    ? { problem: 'its node is down', remedy: 'It comes back with the node; start that, or look at its log.' }
    : undefined;

const explainNotFound: Explain = (text) => {
  const missing = /no (?<what>(?:queue|exchange) '.*?)(?: in vhost .*)?$/s.exec(text)?.groups?.['what'];
  if (missing === undefined) return undefined;
  return {
    problem: `there is no ${missing}`,
    remedy: "Start whoever declares it first, or have it declared here, with declare: 'assert'.",
  };
};

const explainLocked: Explain = (text) =>
  /cannot obtain exclusive access|in exclusive use/.test(text)
    ? {
        problem: 'it belongs exclusively to another connection, or it exists and is not exclusive',
        remedy:
          'After a reconnect that is our own lost connection, which the broker lets go of by itself: try again. Otherwise give every process a queue of its own name, or remove exclusive: true.',
      }
    : undefined;

const explainUnknownType: Explain = (text) => {
  const type = UNKNOWN_TYPE.exec(text)?.groups?.['type'];
  if (type === undefined) return undefined;
  return {
    problem: `the broker has no exchange type '${type}'`,
    argument: 'type',
    wanted: type,
    remedy:
      'Enable the plug-in that provides it on every node (rabbitmq-plugins list, rabbitmq-plugins enable), or use direct, fanout, topic or headers.',
  };
};

const explainLimit: Explain = (text) =>
  /limit .*is reached/s.test(text)
    ? {
        problem: plain(text),
        remedy:
          'Delete what nobody uses, or raise the limit (rabbitmqctl list_vhost_limits, set_vhost_limits).',
      }
    : undefined;

const explainTransientQueue: Explain = (text) =>
  TRANSIENT_QUEUE.test(text)
    ? {
        problem: 'the broker does not permit queues that are neither durable nor exclusive',
        argument: 'durable',
        wanted: 'false',
        remedy:
          "Declare it with flags: { durable: true } or { exclusive: true }. Where compatibility: 'python' needs it as it is, set deprecated_features.permit.transient_nonexcl_queues = true in the broker's rabbitmq.conf.",
      }
    : undefined;

/** The first that knows the text counts. */
const EXPLANATIONS: readonly Explain[] = [
  explainMismatch,
  explainInvalidArgument,
  explainLocked,
  explainAccess,
  explainNodeDown,
  explainNotFound,
  explainUnknownType,
  explainTransientQueue,
  explainLimit,
];
