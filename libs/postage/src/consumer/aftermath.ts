import { setTimeout as pause } from 'node:timers/promises';
import type { Delivery } from '../connection/port.js';
import type { MessageBody } from '../wire/body.js';
import type { Copies, Copy } from './copies.js';
import { copiesFor, destinationOf, givenUp, type Destination, type Part } from './fate.js';
import type { Handler } from './handlers.js';
import { settlementOf, type Fate, type Settlement } from './outcome.js';
import { factsOf, type Reporter } from './reporter.js';
import { attemptOf, deadlineOf, type History } from './retry-history.js';
import { judge, type Action } from './retry-policy.js';
import type { RetryPlan } from './retry-topology.js';

export interface AftermathOptions {
  readonly queue: string;
  readonly plan: RetryPlan;
  readonly copies: Pick<Copies, 'send'>;
  readonly reporter: Reporter;
  /** For headers: class and message, never a stack. */
  readonly describeError: (error: unknown) => string;
  /** The connection that deliveries come by at present; undefined: there is none. */
  readonly linkOf: () => object | undefined;
  /** In [0, 1), for jitter. */
  readonly random: () => number;
  /** As `Date.now()`. */
  readonly now: () => number;
}

/** A delivery, and what is known of it. */
export interface Handled {
  readonly delivery: Delivery;
  readonly body: MessageBody;
  readonly history: History | undefined;
}

/** A message handler that has thrown. */
export interface HandlerFailure {
  readonly handler: Handler;
  readonly error: unknown;
}

/** What could not be copied is copied, or comes back to us, again: not in a hot loop. */
const BACK_AFTER_MS = 1_000;

/** What follows when the handlers of a message have failed: decided purely, done here. Never rejects. */
export class Aftermath {
  readonly #options: AftermathOptions;
  readonly #random = new WeakMap<Delivery, number>();

  constructor(options: AftermathOptions) {
    this.#options = options;
  }

  /** Decides for one handler, and tells observers: others may still run for long. */
  failed(handled: Handled, failure: HandlerFailure): Part {
    const { describeError } = this.#options;
    const destination = this.#destinationOf(this.#judge(handled, failure), failure.handler);
    this.#report(handled, failure, destination);
    return { labels: [failure.handler.label], error: describeError(failure.error), destination };
  }

  /** All handlers have ended. Resolves once the broker has a copy for every one that is to have one. */
  settle(handled: Handled, parts: readonly Part[]): Promise<Settlement> {
    const destinations = parts.map(({ destination }) => destination);
    // It goes back as a whole: a copy would be handled beside it.
    return settlementOf(destinations) === 'requeue'
      ? Promise.resolve('requeue')
      : this.#carryOut(handled, parts);
  }

  /** What would be done with a message that can not be read. */
  get nextOfMalformed(): 'dead-letter' | 'reject' {
    return this.#options.plan.deadLetterQueue === undefined ? 'reject' : 'dead-letter';
  }

  /** Its bytes are kept as they are, where dead letters of the queue are kept. */
  malformed(delivery: Delivery, history: History | undefined, error: Error): Promise<Settlement> {
    const destination = givenUp('malformed', this.#options.plan);
    const part = { labels: [], error: this.#options.describeError(error), destination };
    return this.#carryOut({ delivery, history }, [part]);
  }

  /** Its time was over before its turn came; undefined: it was not. */
  expired(handled: Handled & { readonly history: History }): Promise<Settlement> | undefined {
    const { plan, reporter, now } = this.#options;
    const { delivery, history, body } = handled;
    if (history.deadlineMs === undefined || now() < history.deadlineMs) return undefined;
    const destination = givenUp('failed', plan);
    const next = plan.deadLetterQueue === undefined ? 'reject' : 'dead-letter';
    const [at, message] = [reporter.at(delivery), factsOf(body)];
    reporter.event({ kind: 'retry.expired', at, message, attempt: history.attempt, next });
    const part = { labels: [...(history.handlers ?? [])], error: history.lastError ?? '', destination };
    return this.#carryOut(handled, [part]);
  }

  /** A name may be too long for a queue. */
  #destinationOf(action: Action, { label }: Handler): Destination {
    const { plan, reporter } = this.#options;
    try {
      return destinationOf(action, plan);
    } catch (error) {
      const where = `finding a queue to wait in for ${label}`;
      reporter.event({ kind: 'internal.failure', where, error });
      return givenUp('failed', plan);
    }
  }

  #judge({ delivery, history }: Handled, { handler, error }: HandlerFailure): Action {
    const nowMs = this.#options.now();
    const [attempt, deadlineMs] = [attemptOf(history), deadlineOf(delivery, history, nowMs)];
    try {
      const random = this.#randomOf(delivery);
      return judge(handler.retry ?? false, { error, attempt, nowMs, deadlineMs, random });
    } catch (problem) {
      // A function of the user has thrown; whether it would have said yes is not known.
      const where = `deciding whether ${handler.label} is to run again`;
      this.#options.reporter.event({ kind: 'internal.failure', where, error: problem });
      return { kind: 'give-up', reason: 'failed' };
    }
  }

  /** One for all handlers of the message: those that wait equally long share a copy. */
  #randomOf(delivery: Delivery): number {
    const drawn = this.#random.get(delivery) ?? this.#options.random();
    this.#random.set(delivery, drawn);
    return drawn;
  }

  #report({ delivery, body, history }: Handled, failure: HandlerFailure, destination: Destination): void {
    const retryInMs = destination.next === 'retry' ? destination.place.waitMs : undefined;
    this.#options.reporter.failed(
      { delivery, body, ...failure },
      { attempt: attemptOf(history), next: destination.next, retryInMs },
    );
  }

  async #carryOut(
    { delivery, history }: Pick<Handled, 'delivery' | 'history'>,
    parts: readonly Part[],
  ): Promise<Settlement> {
    const { queue, now, plan, linkOf } = this.#options;
    const copies = copiesFor({ queue, delivery, history, nowMs: now() }, parts);
    const link = linkOf();
    // Before the original is acked: a copy too many is better than none.
    for (let missing = copies; ;) {
      const sent = await Promise.all(missing.map((copy) => this.#send(delivery, copy)));
      missing = missing.filter((_copy, index) => sent[index] !== true);
      if (missing.length === 0) return settlementOf(parts.map(({ destination }) => destination));
      await pause(BACK_AFTER_MS);
      // What the broker has is not sent again, and no return is spent where returns count.
      const isToRepeat = missing.length < copies.length || plan.countsReturns;
      // Without its connection the broker delivers it again by itself.
      if (!isToRepeat || link === undefined || linkOf() !== link) return 'requeue';
    }
  }

  async #send(delivery: Delivery, copy: Copy & Pick<Fate, 'next'>): Promise<boolean> {
    const { copies, reporter } = this.#options;
    try {
      await copies.send(copy);
      return true;
    } catch (error) {
      const purpose = copy.next === 'retry' ? 'retry' : 'dead-letter';
      const at = reporter.at(delivery);
      reporter.event({ kind: 'copy.failed', at, purpose, queue: copy.queue.name, error });
      return false;
    }
  }
}
