import { InvalidOptionError } from '../errors.js';
import { mergeTopologies, topologyOf, type Eqk } from '../topology/binding.js';
import type { Compatibility } from '../topology/queue.js';
import type { Queue, Topology } from '../topology/types.js';
import type { Handler } from './handlers.js';
import type { DeadLetter } from './retry-topology.js';

/** A processor: handlers that serve the queues of their own eqk, and no others. */
export interface ProcessorScope {
  /** The class name, for errors. */
  readonly label: string;
  /** Empty: the queues of the consumer itself. */
  readonly eqk: Eqk;
  readonly prefetch?: number | undefined;
  /** The class, for whoever names it. */
  readonly source?: object | undefined;
  /** Where the dead letters of its queues go; undefined: it does not say. */
  readonly deadLetter?: DeadLetter | undefined;
}

export interface ScopedHandler {
  readonly handler: Handler;
  /** Undefined: it serves the queues of the consumer itself. */
  readonly scope?: ProcessorScope | undefined;
}

/** One queue to consume: what to declare for it, with which prefetch, and whose handlers it feeds. */
export interface QueuePlan {
  readonly queue: Queue;
  /** Only this process consumes it, exclusive or not: a fan-out key may lead there, and then others got the message, too. */
  readonly isPrivate: boolean;
  readonly topology: Topology;
  readonly prefetch: number;
  readonly handlers: readonly Handler[];
  /** Where its dead letters go; undefined: its processors do not say. */
  readonly deadLetter?: DeadLetter | undefined;
}

interface PlanInput {
  readonly scopes: readonly ProcessorScope[];
  readonly handlers: readonly ScopedHandler[];
  readonly defaultPrefetch: number;
  readonly compatibility: Compatibility;
  /** The queues of scopes that name none. @default [] */
  readonly ownEqk?: Eqk | undefined;
  /** The names of queues that are private without being exclusive. @default none */
  readonly privateQueues?: ReadonlySet<string> | undefined;
}

/**
 * One plan per queue, however many processors name it: a queue has one consumer, and its messages find their handlers
 * by type and name. (Two consumers on it would get every second message each.)
 * @throws {InvalidOptionError} definitions of one entity, or prefetches or dead-letter queues of one queue, contradict each other
 */
export const planQueues = ({
  scopes,
  handlers,
  defaultPrefetch,
  compatibility,
  ownEqk = [],
  privateQueues,
}: PlanInput): readonly QueuePlan[] => {
  const topologies = new Map(
    scopes.map((scope) => {
      const eqk = scope.eqk.length > 0 ? scope.eqk : ownEqk;
      return [scope, topologyOf(eqk, { compatibility })];
    }),
  );
  const whole = mergeTopologies(...topologies.values());
  return whole.queues.map((queue) => {
    const owners = scopes.filter((scope) =>
      topologies.get(scope)?.queues.some(({ name }) => name === queue.name),
    );
    return {
      queue,
      isPrivate: queue.exclusive || privateQueues?.has(queue.name) === true,
      topology: partFor(queue, whole),
      prefetch: prefetchOf(queue, owners, defaultPrefetch),
      deadLetter: deadLetterOf(queue, owners),
      handlers: handlers.filter(({ scope }) => scope && owners.includes(scope)).map(({ handler }) => handler),
    };
  });
};

/** What is declared for one queue of several. */
export const partFor = (queue: Queue, whole: Topology): Topology => {
  const bindings = whole.bindings.filter((binding) => binding.queue === queue.name);
  const deadLetterExchange = queue.arguments['x-dead-letter-exchange'];
  const sources = new Set<unknown>([...bindings.map(({ exchange }) => exchange), deadLetterExchange]);
  return { exchanges: whole.exchanges.filter(({ name }) => sources.has(name)), queues: [queue], bindings };
};

/** @throws {InvalidOptionError} two of its processors want different ones */
export const prefetchOf = (queue: Queue, owners: readonly ProcessorScope[], fallback: number): number => {
  const given = owners.filter(({ prefetch }) => prefetch !== undefined);
  const [first] = given;
  const other = given.find(({ prefetch }) => prefetch !== first?.prefetch);
  if (first && other) {
    throw new InvalidOptionError(
      'prefetch',
      `${first.label} (${first.prefetch}) and ${other.label} (${other.prefetch}) share queue "${queue.name}", which has one consumer. Give both the same prefetch.`,
    );
  }
  return checkPrefetch(first?.prefetch ?? fallback);
};

/** @throws {InvalidOptionError} two of its processors want different ones */
const deadLetterOf = (queue: Queue, owners: readonly ProcessorScope[]): DeadLetter | undefined => {
  const given = owners.filter(({ deadLetter }) => deadLetter !== undefined);
  const [first] = given;
  const other = given.find(
    ({ deadLetter }) => JSON.stringify(deadLetter) !== JSON.stringify(first?.deadLetter),
  );
  if (first && other) {
    throw new InvalidOptionError(
      'deadLetter',
      `${first.label} and ${other.label} share queue "${queue.name}", and want its dead letters in different places. Give both the same deadLetter.`,
    );
  }
  return first?.deadLetter;
};

/** @throws {InvalidOptionError} */
export const checkPrefetch = (prefetch: number): number => {
  if (Number.isInteger(prefetch) && prefetch >= 1 && prefetch <= 65_535) return prefetch;
  throw new InvalidOptionError(
    'prefetch',
    `must be a whole number from 1 to 65535, not ${String(prefetch)}.`,
  );
};
