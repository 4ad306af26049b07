import { InvalidOptionError } from '../errors.js';
import { defineQueue, type QueueFlags, type QueueSpec } from '../topology/queue.js';
import type { Queue } from '../topology/types.js';
import type { Handler } from './handlers.js';
import { MAX_WAIT_MS } from './retry-options.js';
import { DEFAULT_RETRY, stepsOf, type RetrySettings, type Wait } from './retry-policy.js';

/** Where messages go that nobody handles any more: a queue; `true`: one named after theirs; `false`: none of ours. */
export type DeadLetter = boolean | QueueSpec;

/** What was said of the dead letters of one queue, and by whom. */
export interface DeadLetterChoice {
  /** By its processors. */
  readonly own: DeadLetter | undefined;
  /** For all queues of the application. */
  readonly general: DeadLetter | undefined;
}

/** The queues that the messages of one queue may go to when a handler fails. */
export interface RetryPlan {
  /** The queue itself, as it is to be declared. */
  readonly asDeclared: (queue: Queue) => Queue;
  /** Each return of a message counts, and after some the broker gives it up. */
  readonly countsReturns: boolean;
  /** Undefined: whatever nobody handles any more is rejected, and the broker does what it was told to do with that. */
  readonly deadLetterQueue: Queue | undefined;
  /** Declared together with the queue itself. */
  readonly queues: readonly Queue[];
  /** Undefined: messages of this queue can not wait. */
  readonly place: ((wait: Wait) => Place) | undefined;
  /** Nothing can go back to it. @default false */
  readonly isStream?: boolean | undefined;
}

/** Where a message waits, and how long. */
export interface Place {
  readonly queue: Queue;
  readonly waitMs: number;
  /** It expires where nobody declares it again, so that has to be done within this time before each use. */
  readonly leaseMs: number | undefined;
}

/** Nothing waits, nothing is kept. */
export const NO_RETRIES: RetryPlan = {
  asDeclared: (queue) => queue,
  countsReturns: false,
  deadLetterQueue: undefined,
  queues: [],
  place: undefined,
};

export interface RetryPlanInput {
  readonly queue: Queue;
  readonly handlers: readonly Handler[];
  readonly deadLetter: DeadLetterChoice;
}

/** @throws {InvalidOptionError} the queue is a stream, or refuses messages when it is full, or a name is too long, or the dead-letter queue is the queue itself */
export const planRetries = ({ queue, handlers, deadLetter }: RetryPlanInput): RetryPlan => {
  const policies = policiesOf(handlers);
  const isStream = queue.arguments['x-queue-type'] === 'stream';
  if (isStream && policies.length > 0) {
    throw new InvalidOptionError(
      'retry',
      `queue "${queue.name}" is a stream: a message that waits would be appended to it again, for all of its readers. Set retry: false for its processor.`,
    );
  }
  if (policies.length > 0) checkQueue(queue);
  const deadLetterQueue = deadLetterQueueOf(queue, deadLetter, policies.length > 0);
  const steps = [...new Set(policies.flatMap(stepsOf))].toSorted((one, other) => one - other);
  const places = steps.map((stepMs) => ladderPlace(queue, stepMs));
  const queues = places.map((place) => place.queue);
  return {
    asDeclared: (each) => leadingTo(deadLetterQueue, each),
    countsReturns: isQuorum(queue),
    deadLetterQueue,
    queues: deadLetterQueue === undefined ? queues : [...queues, deadLetterQueue],
    place: isStream ? undefined : (wait) => placeFor(queue, wait, steps),
    isStream,
  };
};

const checkQueue = (queue: Queue): void => {
  const overflow = queue.arguments['x-overflow'];
  if (typeof overflow === 'string' && overflow.startsWith('reject-publish') && !isQuorum(queue)) {
    throw new InvalidOptionError(
      'retry',
      `queue "${queue.name}" is a classic queue with overflow "${overflow}": as long as it is full, RabbitMQ drops what comes back to it after its wait. Make it a quorum queue, or leave overflow or retry out.`,
    );
  }
  // The longest name that a wait can come to: better refused now than when a handler fails.
  const longest = `${queue.name}.${LATER}.${MAX_WAIT_MS}`;
  if (queue.declare === 'assert') defineQueue(longest, { option: `retry: the queue "${longest}"` });
};

/** In the name of a queue for one `RetryLater`. */
const LATER = 'retry-later';

const placeFor = (queue: Queue, wait: Wait, steps: readonly number[]): Place => {
  const { stepMs, waitMs, isOnLadder } = wait;
  if (isOnLadder) return { ...ladderPlace(queue, stepMs), waitMs };
  if (queue.declare === 'assert') return passingPlace(queue, `${queue.name}.${LATER}.${stepMs}`, waitMs);
  // Whoever declares them for us can not know of this one.
  const known = steps.length > 0 ? steps : DEFAULT_RETRY.backoffMs;
  const nearest = known.find((step) => step >= stepMs) ?? Math.max(...known);
  return { ...ladderPlace(queue, nearest), waitMs: Math.min(waitMs, nearest) };
};

const ladderPlace = (queue: Queue, stepMs: number): Place => {
  const name = `${queue.name}.retry.${stepMs}`;
  // An exclusive one goes with its connection, as the queue itself does.
  if (isPassing(queue) && !queue.exclusive) return passingPlace(queue, name, stepMs);
  return { queue: waitQueue(queue, name, { stepMs }), waitMs: stepMs, leaseMs: undefined };
};

/**
 * Half of what a queue lives on for after its longest wait; the other half is for publishing into it. Never to be changed:
 * it is part of `x-expires`, and the broker refuses a queue that another version has declared with another one.
 */
const LEASE_MS = 60_000;

/**
 * A queue without consumers is not used, whatever is published to it: the broker deletes it, messages and all, that long
 * after its last declaration.
 * @see https://www.rabbitmq.com/docs/ttl#queue-ttl
 */
const passingPlace = (queue: Queue, name: string, stepMs: number): Place => {
  const expiresMs = stepMs + 2 * LEASE_MS;
  return { queue: waitQueue(queue, name, { stepMs, expiresMs }), waitMs: stepMs, leaseMs: LEASE_MS };
};

/** It may go at any time, and come back under another name: nothing of it must stay for ever. */
const isPassing = ({ exclusive, autoDelete, arguments: table }: Queue): boolean =>
  exclusive || autoDelete || table['x-expires'] !== undefined;

interface WaitTimes {
  readonly stepMs: number;
  readonly expiresMs?: number | undefined;
}

/** What expires in it comes back to the queue that it was made for. As lasting and as replicated as that one. */
const waitQueue = (queue: Queue, name: string, { stepMs, expiresMs }: WaitTimes): Queue =>
  defineQueue(
    {
      name,
      declare: queue.declare,
      flags: {
        ...lastingAs(queue),
        messageTtlMs: stepMs,
        expiresMs,
        // The default exchange.
        deadLetterExchange: '',
        deadLetterRoutingKey: queue.name,
        ...(isQuorum(queue) ? AT_LEAST_ONCE : {}),
      },
    },
    { option: `retry: the queue "${name}"` },
  );

/**
 * The broker lets go of an expired message only when the queue that it came from has confirmed it.
 * @see https://www.rabbitmq.com/docs/quorum-queues#dead-lettering
 */
const AT_LEAST_ONCE: QueueFlags = {
  overflow: 'reject-publish',
  arguments: { 'x-dead-letter-strategy': 'at-least-once' },
};

const isQuorum = ({ arguments: table }: Queue): boolean => table['x-queue-type'] === 'quorum';

const lastingAs = (queue: Queue): QueueFlags =>
  isQuorum(queue) ? { type: 'quorum' } : { durable: !queue.exclusive, exclusive: queue.exclusive };

const deadLetterQueueOf = (
  queue: Queue,
  { own, general }: DeadLetterChoice,
  isRetried: boolean,
): Queue | undefined => {
  const choice = own ?? (general === true && isPassing(queue) ? undefined : general);
  if (choice === undefined) return isRetried && needsOne(queue) ? namedAfter(queue) : undefined;
  if (choice === false) return undefined;
  if (choice === true) return namedAfter(queue);
  const named =
    typeof choice === 'string' ? keeping(queue, choice) : defineQueue(choice, { option: 'deadLetter' });
  if (named.name !== queue.name) return named;
  throw new InvalidOptionError(
    'deadLetter',
    `"${named.name}" is the queue itself: what it gives up would come back for ever. Name another one.`,
  );
};

/**
 * What a quorum queue gives up itself, after too many returns, goes where our dead letters go: else it would be deleted.
 * @see https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling
 */
const leadingTo = (deadLetterQueue: Queue | undefined, queue: Queue): Queue => {
  if (deadLetterQueue === undefined || !isOursToLead(queue)) return queue;
  const flags: QueueFlags = {
    durable: queue.durable,
    exclusive: queue.exclusive,
    autoDelete: queue.autoDelete,
    deadLetterExchange: '',
    deadLetterRoutingKey: deadLetterQueue.name,
    arguments: queue.arguments,
  };
  return defineQueue({ name: queue.name, declare: queue.declare, flags }, { option: 'deadLetter' });
};

const isOursToLead = (queue: Queue): boolean =>
  isQuorum(queue) && queue.declare === 'assert' && queue.arguments['x-dead-letter-exchange'] === undefined;

/** What is to be known of a queue that somebody else declares; undefined: nothing. */
export const warningOf = (queue: Queue, { deadLetterQueue }: RetryPlan): string | undefined =>
  deadLetterQueue !== undefined &&
  isQuorum(queue) &&
  queue.declare !== 'assert' &&
  queue.arguments['x-dead-letter-exchange'] === undefined
    ? `queue "${queue.name}" is a quorum queue that is not declared here: what its delivery limit gives up is deleted, unless its dead-letter exchange leads to "${deadLetterQueue.name}"`
    : undefined;

/** One that has a dead-letter exchange uses that; beside one that goes with its process nothing lasting is made unasked. */
const needsOne = (queue: Queue): boolean =>
  queue.arguments['x-dead-letter-exchange'] === undefined && !isPassing(queue);

const namedAfter = (queue: Queue): Queue => keeping(queue, `${queue.name}.dead`);

const keeping = (queue: Queue, name: string): Queue => {
  const flags: QueueFlags = isQuorum(queue) ? { type: 'quorum' } : { durable: true };
  return defineQueue({ name, declare: queue.declare, flags }, { option: 'deadLetter' });
};

/** @throws {InvalidOptionError} naming the option */
export const resolveDeadLetter = (given: DeadLetter | undefined, option: string): DeadLetter | undefined => {
  if (given === undefined || typeof given === 'boolean') return given;
  const queue = defineQueue(given, { option });
  // A name alone takes after the queue whose dead letters go there.
  return typeof given === 'string' ? given : queue;
};

/** Callers of rpcs repeat them themselves. */
const policiesOf = (handlers: readonly Handler[]): readonly RetrySettings[] =>
  handlers
    .filter(({ pattern }) => pattern.category === 'message')
    .map(({ retry }) => retry)
    .filter((retry) => retry !== undefined && retry !== false);
