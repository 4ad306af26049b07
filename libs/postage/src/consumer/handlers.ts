import type { Delivery } from '../connection/port.js';
import { DuplicateHandlerError, InvalidOptionError } from '../errors.js';
import type { BoundFilter } from './filters.js';
import type { Invocation } from './invocation.js';
import type { RetrySettings } from './retry-policy.js';

/** Which messages a handler is for. */
export interface HandlerPattern {
  readonly category: 'message' | 'rpc';
  readonly type: string;
  /** Undefined: every name of the type. */
  readonly name?: string | undefined;
}

/** A registered handler, however it was registered. */
export interface Handler {
  readonly pattern: HandlerPattern;
  /** Where it stands in the code, for example `EchoController.onEcho`. */
  readonly label: string;
  readonly filters: readonly BoundFilter[];
  /** It answers through the reply function, so that a return without an answer is a mistake. */
  readonly repliesItself: boolean;
  /** False: this delivery is taken care of elsewhere; it is as if the handler were not there. @default always true */
  readonly isFor?: ((delivery: Delivery, queue: string) => boolean) | undefined;
  /** Of a message handler: when a message that it failed at is handled again. @default false: only where its error says so */
  readonly retry?: RetrySettings | false | undefined;
  /** Resolves with its value once everything it started is done; rejects with what it threw. */
  readonly invoke: (invocation: Invocation) => Promise<unknown>;
}

/** The handlers of one queue, found by one look-up per message. */
export class HandlerTable {
  readonly #exact = new Map<string, Handler[]>();
  readonly #anyName = new Map<string, Handler[]>();
  /** Both of the above joined, by message; filled as messages come, and bounded, since names come from outside. */
  readonly #found = new Map<string, readonly Handler[]>();

  /** @throws {DuplicateHandlerError} two rpc handlers for one pattern */
  constructor(handlers: readonly Handler[]) {
    for (const handler of handlers) this.#add(handler);
  }

  get size(): number {
    return this.#exact.size + this.#anyName.size;
  }

  /** All message handlers of a triple; for an rpc at most one, the one that names it before the one for any name. */
  find(category: 'message' | 'rpc', type: string, name: unknown): readonly Handler[] {
    if (typeof name !== 'string') return this.#anyName.get(typeKey(category, type)) ?? [];
    const key = nameKey(category, type, name);
    const known = this.#found.get(key);
    if (known) return known;
    const exact = this.#exact.get(key) ?? [];
    const any = this.#anyName.get(typeKey(category, type)) ?? [];
    const found = category === 'rpc' ? [...exact, ...any].slice(0, 1) : [...exact, ...any];
    if (exact.length > 0) this.#found.set(key, found);
    return found;
  }

  #add(handler: Handler): void {
    const { category, type, name } = handler.pattern;
    const [map, key] =
      name === undefined
        ? ([this.#anyName, typeKey(category, type)] as const)
        : ([this.#exact, nameKey(category, type, name)] as const);
    const [other] = map.get(key) ?? [];
    if (other && category === 'rpc') {
      throw new DuplicateHandlerError(describePattern(handler.pattern), [other.label, handler.label]);
    }
    map.set(key, [...(map.get(key) ?? []), handler]);
  }
}

/** For people: `rpc command "sum"`. */
export const describePattern = ({ category, type, name }: HandlerPattern): string =>
  `${category} ${type} ${name === undefined ? '(any name)' : `"${name}"`}`;

/** @throws {InvalidOptionError} */
export const checkPattern = (pattern: HandlerPattern, decorator: string): void => {
  if (typeof pattern.type !== 'string' || pattern.type === '') {
    throw new InvalidOptionError(
      decorator,
      `needs the type of the message as its first argument, for example @${decorator}('command', 'echo').`,
    );
  }
  if (pattern.name !== undefined && typeof pattern.name !== 'string') {
    throw new InvalidOptionError(decorator, 'takes the name of the message, a text, as its second argument.');
  }
};

const typeKey = (category: string, type: string): string => JSON.stringify([category, type]);
const nameKey = (category: string, type: string, name: string): string =>
  `${category}\n${type.length}\n${type}${name}`;
