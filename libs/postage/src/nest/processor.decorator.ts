import { MetadataScanner } from '@nestjs/core';
import { InvalidOptionError } from '../errors.js';
import { checkPrefetch } from '../consumer/queue-plan.js';
import { defineEqk, type Eqk } from '../topology/binding.js';
import { makeController, ownMethod } from './class-shape.js';
import { applyHandler, handlerExtrasOf } from './handler.decorators.js';
import { setProcessor, type DecoratedClass } from './metadata.js';
import { noteErrorsOfClass } from './raw-error.js';

export interface ProcessorOptions {
  /** Which queues it consumes, bound to which exchanges with which keys. Absent: those of the server's own `eqk` option. */
  readonly eqk?: Eqk | undefined;
  /** How many messages of each queue it handles at once. @default the module's `prefetch` */
  readonly prefetch?: number | undefined;
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
    const { eqk = [], prefetch, connection, ...unknown } = options;
    const [stranger] = Object.keys(unknown);
    if (stranger !== undefined) {
      throw new InvalidOptionError(
        `@Processor ${target.name}: ${stranger}`,
        'is not an option. Known: eqk, prefetch, connection.',
      );
    }
    if (prefetch !== undefined) checkPrefetch(prefetch);
    makeController(target);
    setProcessor(target, { eqk: defineEqk(eqk, `@Processor ${target.name}: eqk`), prefetch, connection });
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
