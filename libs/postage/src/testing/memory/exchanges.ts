import type { Exchange, ExchangeType } from '../../topology/types.js';
import { amqpType, requireSameExchange } from './equivalence.js';
import { MemoryExchange } from './memory-exchange.js';
import type { MemoryQueue } from './memory-queue.js';
import type { BrokerMessage } from './message.js';
import {
  accessRefused,
  defaultExchange,
  exchangeRef,
  noExchange,
  preconditionFailed,
  reservedName,
} from './refusals.js';

const PREDECLARED: readonly (readonly [string, ExchangeType])[] = [
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.topic', 'topic'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
];

/** The exchanges of a broker, without the default exchange, which is not stored anywhere. */
export class Exchanges {
  readonly #byName = new Map<string, MemoryExchange>();

  constructor() {
    const common = {
      durable: true,
      autoDelete: false,
      internal: false,
      arguments: {},
      declare: 'assert',
    } as const;
    for (const [name, type] of PREDECLARED) this.#add({ name, type, ...common });
  }

  /** @throws {BrokerError} 403 reserved name, 406 exists with other properties, 503 unknown type */
  declare(definition: Exchange): void {
    if (definition.name === '') throw defaultExchange();
    const current = this.#byName.get(definition.name);
    if (current !== undefined) return requireSameExchange(current.definition, definition);
    if (isReserved(definition.name)) throw reservedName('exchange', definition.name);
    const alternate = definition.arguments['alternate-exchange'];
    if (alternate !== undefined && typeof alternate !== 'string') {
      const text = `invalid type '${amqpType(alternate)}' for arg 'alternate-exchange' in ${exchangeRef(definition.name)}`;
      throw preconditionFailed(text);
    }
    this.#add(definition);
  }

  /** @throws {BrokerError} 404; 403 for the default exchange, which nobody may look at or bind */
  require(name: string): MemoryExchange {
    if (name === '') throw defaultExchange();
    const exchange = this.#byName.get(name);
    if (exchange === undefined) throw noExchange(name);
    return exchange;
  }

  find(name: string): MemoryExchange | undefined {
    return this.#byName.get(name);
  }

  /** Does nothing when there is none. @throws {BrokerError} 403 one of the broker's own */
  delete(name: string): void {
    if (name === '') throw defaultExchange();
    if (isReserved(name)) throw accessRefused(`deletion of system ${exchangeRef(name)} not allowed`);
    this.#byName.delete(name);
  }

  /** An auto-delete exchange goes with its last binding. */
  unbound(exchange: MemoryExchange): void {
    if (exchange.unused && exchange.definition.autoDelete) this.#byName.delete(exchange.definition.name);
  }

  unbindAll(queue: MemoryQueue): void {
    for (const exchange of this.#byName.values()) if (exchange.unbindAll(queue)) this.unbound(exchange);
  }

  /** The queues behind an exchange that get the message; the alternate exchange is asked when there is none. */
  route(exchange: MemoryExchange, message: BrokerMessage): Set<MemoryQueue> {
    const found = new Set<MemoryQueue>();
    const asked = new Set<MemoryExchange>();
    let next: MemoryExchange | undefined = exchange;
    while (next !== undefined && found.size === 0 && !asked.has(next)) {
      asked.add(next);
      next.collect(message, found);
      const alternate: unknown = next.definition.arguments['alternate-exchange'];
      next = typeof alternate === 'string' ? this.#byName.get(alternate) : undefined;
    }
    return found;
  }

  dropTransient(): void {
    for (const [name, { definition }] of this.#byName) if (!definition.durable) this.#byName.delete(name);
  }

  /** Without those that every broker has. */
  *[Symbol.iterator](): Generator<MemoryExchange> {
    for (const [name, exchange] of this.#byName) if (!isReserved(name)) yield exchange;
  }

  /** With those that every broker has. */
  get all(): Iterable<MemoryExchange> {
    return this.#byName.values();
  }

  #add(definition: Exchange): void {
    this.#byName.set(definition.name, new MemoryExchange(definition));
  }
}

const isReserved = (name: string): boolean => name.startsWith('amq.');
