import { MetadataScanner } from '@nestjs/core';
import { InvalidOptionError } from '../errors.js';
import { checkPrefetch } from '../consumer/queue-plan.js';
import { resolveRetry, type RetryPolicy } from '../consumer/retry-options.js';
import { resolveDeadLetter } from '../consumer/retry-topology.js';
import { defineEqk, type Eqk } from '../topology/binding.js';
import type { QueueSpec } from '../topology/queue.js';
import { makeController, ownMethod } from './class-shape.js';
import { applyHandler, handlerExtrasOf } from './handler.decorators.js';
import { setProcessor, type DecoratedClass } from './metadata.js';
import { noteErrorsOfClass } from './raw-error.js';

export interface ProcessorOptions {
  /** Which queues it consumes, bound to which exchanges with which keys. Absent: those of the server's own `eqk` option. */
  readonly eqk?: Eqk | undefined;
  /** How many messages of each queue it handles at once. @default the module's `prefetch` */
  readonly prefetch?: number | undefined;
  /** When messages that its handlers failed at are handled again; rpcs never are: callers repeat them. @default the module's `retry` */
  readonly retry?: RetryPolicy | false | undefined;
  /**
   * Where messages of its queues go that nobody handles any more: a queue, or its name; `true`: one named after theirs, with
   * `.dead` at the end; `false`: they are rejected, as without retries.
   * @default the module's `deadLetter`; without one `true` where something is retried, and the queue has no dead-letter exchange
   */
  readonly deadLetter?: boolean | QueueSpec | undefined;
  /** The name of the `PostageModule.forRoot({ name })` it belongs to, in applications with several. */
  readonly connection?: string | undefined;
}

/**
 * Makes a class a message processor: a controller whose handlers serve the queues of its `eqk`.
 * @throws {InvalidOptionError} an option is wrong
 */
export const Processor =
  (options: ProcessorOptions = {}): ClassDecorator =>
  (target) => {
    const { eqk = [], prefetch, retry, deadLetter, connection, ...unknown } = options;
    const [stranger] = Object.keys(unknown);
    if (stranger !== undefined) {
      throw new InvalidOptionError(
        `@Processor ${target.name}: ${stranger}`,
        'is not an option. Known: eqk, prefetch, retry, deadLetter, connection.',
      );
    }
    if (prefetch !== undefined) checkPrefetch(prefetch);
    makeController(target);
    const at = (option: string): string => `@Processor ${target.name}: ${option}`;
    setProcessor(target, {
      eqk: defineEqk(eqk, at('eqk')),
      prefetch,
      retry: retry === undefined ? undefined : resolveRetry(retry, at('retry')),
      deadLetter: resolveDeadLetter(deadLetter, at('deadLetter')),
      connection,
    });
    adoptInheritedHandlers(target);
    // Once more, for filters that are written above the handler's decorator.
    noteErrorsOfClass(target.prototype as object);
  };

/** A handler inherited from a base class belongs to the processor that inherits it: each gets a method of its own. */
const adoptInheritedHandlers = (target: DecoratedClass): void => {
  const { prototype } = target;
  for (const method of scanner.getAllMethodNames(prototype)) {
    if (Object.hasOwn(prototype, method)) continue;
    const extras = handlerExtrasOf((prototype as Record<string, object>)[method] as object);
    const descriptor = extras && ownMethod(prototype, method);
    if (descriptor) applyHandler({ ...extras, target }, prototype, descriptor);
  }
};

const scanner = new MetadataScanner();
