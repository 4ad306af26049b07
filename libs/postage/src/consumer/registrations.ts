import type { Eqk } from '../topology/binding.js';
import type { Compatibility } from '../topology/queue.js';
import type { Queue } from '../topology/types.js';
import { describePattern, type Handler, type HandlerPattern } from './handlers.js';
import { queuesOfTarget, type PauseTarget } from './pause-target.js';
import {
  planQueues,
  prefetchOf,
  type ProcessorScope,
  type QueuePlan,
  type ScopedHandler,
} from './queue-plan.js';

export interface RegistrationsOptions {
  readonly compatibility: Compatibility;
  readonly prefetch: number;
}

/** Who handles what in which queues, as it was registered before the start. */
export class Registrations {
  readonly #options: RegistrationsOptions;
  readonly #handlers: ScopedHandler[] = [];
  readonly #scopes = new Set<ProcessorScope>();
  /** The queues of handlers that belong to no processor. */
  readonly #own: { readonly label: string; eqk: Eqk } = { label: 'the server', eqk: [] };
  readonly #privateQueues = new Set<string>();

  constructor(options: RegistrationsOptions) {
    this.#options = options;
    this.#scopes.add(this.#own);
  }

  addQueues(eqk: Eqk, privateQueues: readonly string[]): void {
    this.#own.eqk = [...this.#own.eqk, ...eqk];
    for (const name of privateQueues) this.#privateQueues.add(name);
  }

  add(handler: Handler, scope: ProcessorScope = this.#own): void {
    this.#scopes.add(scope);
    this.#handlers.push({ handler, scope });
  }

  /** @throws {InvalidOptionError} definitions contradict each other */
  plan(): readonly QueuePlan[] {
    const { prefetch, compatibility } = this.#options;
    return planQueues({
      scopes: [...this.#scopes],
      handlers: this.#handlers,
      defaultPrefetch: prefetch,
      compatibility,
      ownEqk: this.#own.eqk,
      privateQueues: this.#privateQueues,
    });
  }

  isPrivate({ exclusive, name }: Queue): boolean {
    return exclusive || this.#privateQueues.has(name);
  }

  /**
   * The queues that somebody names who wants to pause them.
   * @param further queues that no processor names
   * @throws {InvalidOptionError} there are none of that name
   */
  queuesOf(target: PauseTarget, further: readonly string[]): readonly string[] {
    const { compatibility } = this.#options;
    return queuesOfTarget(target, {
      scopes: [...this.#scopes],
      ownEqk: this.#own.eqk,
      compatibility,
      further,
    });
  }

  get handlers(): readonly Handler[] {
    return this.#handlers.map(({ handler }) => handler);
  }

  /** Those that serve the queues of the consumer itself. */
  get ownHandlers(): readonly Handler[] {
    return this.#handlers
      .filter(({ scope }) => scope === undefined || this.#isOwn(scope))
      .map(({ handler }) => handler);
  }

  /** @throws {InvalidOptionError} two processors want different ones */
  ownPrefetch(queue: Queue): number {
    const owners = [...this.#scopes].filter((scope) => this.#isOwn(scope));
    return prefetchOf(queue, owners, this.#options.prefetch);
  }

  /** What the handlers are for, without repetitions. */
  get patterns(): readonly HandlerPattern[] {
    const patterns = this.#handlers.map(({ handler: { pattern } }) => pattern);
    return [...new Map(patterns.map((pattern) => [describePattern(pattern), pattern])).values()];
  }

  /** Handlers that no message can reach, by their labels. */
  get withoutQueue(): readonly string[] {
    return this.#own.eqk.length > 0 ? [] : this.ownHandlers.map(({ label }) => label);
  }

  #isOwn(scope: ProcessorScope): boolean {
    return scope === this.#own || scope.eqk.length === 0;
  }
}
