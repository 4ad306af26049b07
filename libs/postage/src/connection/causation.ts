import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { CALL_HEADERS } from './call-headers.js';
import type { MessageProperties } from './port.js';

/** How a received message came about, and what is sent because of it. */
export class Causation {
  readonly #properties: MessageProperties;
  #correlationId: string | undefined;

  constructor(properties: MessageProperties) {
    this.#properties = properties;
  }

  /**
   * The message with which everything began that led to this one; its own id where it is the first. A peer that gives no
   * ids begins something new, and all that one message of it leads to belongs together.
   */
  get correlationId(): string {
    this.#correlationId ??= this.#header(CALL_HEADERS.correlationId) ?? this.messageId ?? randomUUID();
    return this.#correlationId;
  }

  /** The message whose handler sent this one; undefined when no handler did. */
  get causationId(): string | undefined {
    return this.#header(CALL_HEADERS.causationId);
  }

  get messageId(): string | undefined {
    return this.#properties.messageId || undefined;
  }

  #header(name: string): string | undefined {
    const value = this.#properties.headers?.[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }
}

/** One run of one handler, wherever its code goes. */
export interface HandlerScope {
  readonly cause: Causation;
  /** What was thrown in it, as whoever saw that has noted: a framework may put an error of its own in its place. */
  thrown: { readonly raw: unknown } | undefined;
}

/**
 * One for all connections of a process: what a handler of one sends over another is caused by its message, too. It holds
 * nothing but what each chain of calls has put there for itself. There is only one storage, since in Node before 24 each
 * costs something for every promise.
 */
const current = new AsyncLocalStorage<HandlerScope>();

/** Runs a handler so that everything it sends is known to be caused by this message. */
export const causedBy = <T>(cause: Causation, run: () => T): T =>
  current.run({ cause, thrown: undefined }, run);

/** Goes on in a scope, for code that may have been called from another one. */
export const inScope = <T>(scope: HandlerScope | undefined, run: () => T): T =>
  scope === undefined ? run() : current.run(scope, run);

/** The run of a handler that this code belongs to; undefined outside of handlers. */
export const currentScope = (): HandlerScope | undefined => current.getStore();

/** The headers of what is sent now; undefined outside of handlers. */
export const causationHeaders = (): Readonly<Record<string, string>> | undefined => {
  const scope = current.getStore();
  if (scope === undefined) return undefined;
  const { correlationId, messageId } = scope.cause;
  return {
    [CALL_HEADERS.correlationId]: correlationId,
    ...(messageId === undefined ? {} : { [CALL_HEADERS.causationId]: messageId }),
  };
};
