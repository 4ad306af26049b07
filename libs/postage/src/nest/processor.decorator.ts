import { Controller } from '@nestjs/common';
import { InvalidOptionError } from '../errors.js';
import { checkPrefetch } from '../consumer/queue-plan.js';
import { defineEqk, type Eqk } from '../topology/binding.js';
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
    Controller()(target);
    setProcessor(target, { eqk: defineEqk(eqk, `@Processor ${target.name}: eqk`), prefetch, connection });
    const { prototype } = target as unknown as DecoratedClass;
    adoptInheritedHandlers(target as unknown as DecoratedClass);
    // Once more, for filters that are written above the handler's decorator.
    noteErrorsOfClass(prototype);
  };

/** A handler inherited from a base class belongs to the processor that inherits it: each gets a method of its own. */
const adoptInheritedHandlers = (target: DecoratedClass): void => {
  const { prototype } = target;
  for (let base = parentOf(prototype); base && base !== Object.prototype; base = parentOf(base)) {
    for (const method of Object.getOwnPropertyNames(base)) {
      const inherited = (base as Record<string, unknown>)[method];
      if (typeof inherited !== 'function' || Object.hasOwn(prototype, method)) continue;
      const extras = handlerExtrasOf(inherited);
      if (extras === undefined) continue;
      const value = copyOf(inherited as (...args: unknown[]) => unknown);
      const descriptor = { value, writable: true, configurable: true, enumerable: false };
      Object.defineProperty(prototype, method, descriptor);
      applyHandler({ ...extras, target }, prototype, descriptor);
    }
  }
};

const parentOf = (prototype: object): object | null => Object.getPrototypeOf(prototype) as object | null;

/** Guards, pipes and the rest are metadata of the function: the copy has them too. */
const copyOf = (original: (...args: unknown[]) => unknown): ((...args: unknown[]) => unknown) => {
  const copy = function (this: unknown, ...args: unknown[]): unknown {
    return Reflect.apply(original, this, args);
  };
  Object.defineProperty(copy, 'name', { value: original.name });
  for (const key of Reflect.getMetadataKeys(original)) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, original), copy);
  }
  return copy;
};
