import type { Queue } from '../topology/types.js';
import type { Copy } from './copies.js';
import type { Fate } from './outcome.js';
import { deadLetterCopy, retryCopy, type DeathReason, type Past } from './retry-copy.js';
import type { Action } from './retry-policy.js';
import type { Place, RetryPlan } from './retry-topology.js';

/** Where a message goes for one of its handlers. */
export type Destination = Fate &
  (
    | { readonly next: 'retry'; readonly place: Place }
    | { readonly next: 'dead-letter'; readonly queue: Queue; readonly reason: DeathReason }
    | { readonly next: 'reject' | 'requeue' }
  );

/** What was decided, where there are queues for it. */
export const destinationOf = (action: Action, plan: RetryPlan): Destination => {
  switch (action.kind) {
    case 'requeue':
      return plan.isStream === true ? givenUp('failed', plan) : { next: 'requeue' };
    case 'retry':
      return plan.place ? { next: 'retry', place: plan.place(action) } : givenUp('failed', plan);
    case 'give-up':
      return givenUp(action.reason, plan);
  }
};

export const givenUp = (reason: DeathReason, { deadLetterQueue: queue }: RetryPlan): Destination =>
  queue === undefined ? { next: 'reject' } : { next: 'dead-letter', queue, reason };

/** What becomes of a message for some of its handlers: for the one that has just failed, as a rule. */
export interface Part {
  /** Of the handlers; none: nobody can tell which. */
  readonly labels: readonly string[];
  readonly error: string;
  readonly destination: Destination;
}

/** How one message handler ended; a handler whose filter refused the message does not count. */
export type HandlerOutcome = 'handled' | 'filtered' | Part;

export const isFailure = (outcome: HandlerOutcome): outcome is Part => typeof outcome === 'object';

/** The copies that all parts of a message need together: one for each place, whoever they are for. */
export const copiesFor = (
  past: Omit<Past, 'labels' | 'error'>,
  parts: readonly Part[],
): readonly (Copy & Pick<Fate, 'next'>)[] => {
  const byPlace = new Map<string, [Part, ...Part[]]>();
  for (const part of parts) {
    const key = placeKey(part.destination);
    const others = byPlace.get(key);
    if (others) others.push(part);
    else byPlace.set(key, [part]);
  }
  return [...byPlace.values()].flatMap(([first, ...others]) => {
    const all = [first, ...others];
    const labels = all.flatMap((part) => part.labels);
    const error = [...new Set(all.map((part) => part.error))].join(' | ');
    return copyFor({ ...past, labels, error }, first.destination);
  });
};

const placeKey = (destination: Destination): string => {
  if (destination.next === 'retry') return `retry ${destination.place.queue.name}`;
  return destination.next === 'dead-letter' ? `dead ${destination.reason}` : destination.next;
};

const copyFor = (past: Past, destination: Destination): readonly (Copy & Pick<Fate, 'next'>)[] => {
  if (destination.next === 'retry') {
    const { queue, waitMs, leaseMs } = destination.place;
    return [{ next: 'retry', queue, leaseMs, message: retryCopy(past, queue.name, waitMs) }];
  }
  if (destination.next !== 'dead-letter') return [];
  const { queue, reason } = destination;
  return [{ next: 'dead-letter', queue, message: deadLetterCopy(past, queue.name, reason) }];
};
