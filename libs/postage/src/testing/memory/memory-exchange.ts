import { canonical } from '../../topology/amqp-table.js';
import type { Binding, Exchange } from '../../topology/types.js';
import { headersMatch, requireMatchMode } from './headers-match.js';
import type { MemoryQueue } from './memory-queue.js';
import type { BrokerMessage } from './message.js';
import { unknownExchangeType } from './refusals.js';
import { TopicTree } from './topic-tree.js';

/** A binding and the queue that it leads to. */
export interface Route {
  readonly binding: Binding;
  readonly queue: MemoryQueue;
}

/** How one type of exchange finds its routes. */
interface Router {
  add(route: Route): void;
  remove(route: Route): void;
  /** Adds to `found` the routes that the message takes. */
  collect(message: BrokerMessage, found: Set<Route>): void;
}

export class MemoryExchange {
  readonly definition: Exchange;
  readonly #router: Router;
  readonly #routes = new Map<string, Route>();

  /** @throws {BrokerError} 503: unknown type */
  constructor(definition: Exchange) {
    this.definition = definition;
    this.#router = routerFor(definition.type);
  }

  get bindings(): readonly Binding[] {
    return [...this.#routes.values()].map(({ binding }) => binding);
  }

  get unused(): boolean {
    return this.#routes.size === 0;
  }

  bind(binding: Binding, queue: MemoryQueue): void {
    if (this.definition.type === 'headers') requireMatchMode(binding.arguments);
    const identity = identityOf(binding);
    if (this.#routes.has(identity)) return;
    const route: Route = { binding, queue };
    this.#routes.set(identity, route);
    this.#router.add(route);
  }

  has(binding: Binding): boolean {
    return this.#routes.has(identityOf(binding));
  }

  unbind(binding: Binding): void {
    const identity = identityOf(binding);
    const route = this.#routes.get(identity);
    if (route === undefined) return;
    this.#routes.delete(identity);
    this.#router.remove(route);
  }

  /** Whether there was any. */
  unbindAll(queue: MemoryQueue): boolean {
    const own = [...this.#routes.values()].filter((route) => route.queue === queue);
    for (const { binding } of own) this.unbind(binding);
    return own.length > 0;
  }

  /** Adds to `found` the queues that get the message. */
  collect(message: BrokerMessage, found: Set<MemoryQueue>): void {
    const routes = new Set<Route>();
    this.#router.collect(message, routes);
    for (const { queue } of routes) found.add(queue);
  }
}

const identityOf = ({ queue, key, arguments: table }: Binding): string => canonical([queue, key, table]);

const routerFor = (type: string): Router => {
  switch (type) {
    case 'direct':
      return new DirectRouter();
    case 'fanout':
      return new ListRouter(() => true);
    case 'topic':
      return new TopicRouter();
    case 'headers':
      return new ListRouter(({ binding }, { properties }) =>
        headersMatch(binding.arguments, properties.headers ?? {}),
      );
    default:
      throw unknownExchangeType(type);
  }
};

class DirectRouter implements Router {
  readonly #byKey = new Map<string, Set<Route>>();

  add(route: Route): void {
    const { key } = route.binding;
    this.#byKey.set(key, (this.#byKey.get(key) ?? new Set()).add(route));
  }

  remove(route: Route): void {
    const { key } = route.binding;
    this.#byKey.get(key)?.delete(route);
    if (this.#byKey.get(key)?.size === 0) this.#byKey.delete(key);
  }

  collect({ keys }: BrokerMessage, found: Set<Route>): void {
    for (const key of keys) for (const route of this.#byKey.get(key) ?? []) found.add(route);
  }
}

class TopicRouter implements Router {
  readonly #tree = new TopicTree<Route>();

  add(route: Route): void {
    this.#tree.add(route.binding.key, route);
  }

  remove(route: Route): void {
    this.#tree.remove(route.binding.key, route);
  }

  collect({ keys }: BrokerMessage, found: Set<Route>): void {
    for (const key of keys) this.#tree.collect(key, found);
  }
}

/** Asks every route. */
class ListRouter implements Router {
  readonly #routes = new Set<Route>();
  readonly #takes: (route: Route, message: BrokerMessage) => boolean;

  constructor(takes: (route: Route, message: BrokerMessage) => boolean) {
    this.#takes = takes;
  }

  add(route: Route): void {
    this.#routes.add(route);
  }

  remove(route: Route): void {
    this.#routes.delete(route);
  }

  collect(message: BrokerMessage, found: Set<Route>): void {
    for (const route of this.#routes) if (this.#takes(route, message)) found.add(route);
  }
}
