import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { InvalidOptionError } from '../errors.js';
import type { BoundFilter } from '../consumer/filters.js';
import { checkPattern, type HandlerPattern } from '../consumer/handlers.js';
import { makeController, ownMethod } from './class-shape.js';
import {
  addFilter,
  markHandlerClass,
  POSTAGE_TRANSPORT,
  type DecoratedClass,
  type HandlerExtras,
  type PayloadKind,
} from './metadata.js';
import { noteErrorsOf } from './raw-error.js';
import { retryOf, retryOfRpc } from './retry-metadata.js';
import type { PostageContext } from './postage.context.js';

/** A handler written as a class: decorate it with `@MessageHandler` or `@RpcHandler`, and list it in a module. */
export interface Handler<T = unknown> {
  call(content: T, context: PostageContext): unknown;
}

/** Decorates a method, or a class that has a method `call`. */
// Decorators of both kinds share no narrower type: TypeScript checks the two call signatures below.
export interface HandlerDecorator {
  (target: object, property: string | symbol, descriptor: PropertyDescriptor): void;
  <C extends abstract new (...args: never[]) => { call(...args: never[]): unknown }>(target: C): void;
}

/**
 * Runs the method for every message of this type and name; without a name, for every name of the type. Several handlers
 * may take the same message: each gets its own copy, in no promised order. The payload is the message's content.
 * @throws {InvalidOptionError} the type is missing
 */
export const MessageHandler = (type: string, name?: string): HandlerDecorator =>
  handler('MessageHandler', { category: 'message', type, name }, 'content');

/** Like `@MessageHandler`, but the payload is the whole body: fingerprint, version, content and all. */
export const MessageHandlerFullBody = (type: string, name?: string): HandlerDecorator =>
  handler('MessageHandlerFullBody', { category: 'message', type, name }, 'body');

/**
 * Answers every rpc of this type and name. What the method returns (value, promise, last value of an observable, or a
 * `MessageResult*`) is the answer, unless it answered through `@Reply()` before; what it throws is answered as an exception.
 * @throws {InvalidOptionError} the type is missing
 */
export const RpcHandler = (type: string, name?: string): HandlerDecorator =>
  handler('RpcHandler', { category: 'rpc', type, name }, 'content');

/**
 * Runs `filter(content, ...args)` before the handler; what it returns is the content from there on. A filter that throws
 * keeps the message from this handler, and from no other. Several filters run in the order in which they are written.
 */
export const MessageFilter = <A extends readonly unknown[]>(
  filter: (content: never, ...args: A) => unknown,
  ...args: A
): HandlerDecorator => {
  if (typeof filter !== 'function') throw new InvalidOptionError('MessageFilter', 'takes a function.');
  // Filters declare the content they expect; which message they see is decided by the handler they stand on.
  const bound = { filter: filter as unknown as BoundFilter['filter'], args };
  return onMethodOrClass('MessageFilter', (prototype, method) => addFilter(prototype, method, bound));
};

const handler = (decorator: string, pattern: HandlerPattern, payload: PayloadKind): HandlerDecorator => {
  checkPattern(pattern, decorator);
  return onMethodOrClass(decorator, (prototype, method, descriptor) => {
    const target = prototype.constructor as DecoratedClass;
    const below = handlerExtrasOf(descriptor.value as object);
    // A method that a handler class inherits from another one brings no patterns along.
    const others = below?.target === target ? below.patterns : [];
    if (others.length > 0) refuseMixture({ category: pattern.category, payload }, below, decorator);
    applyHandler({ patterns: [pattern, ...others], payload, target, method }, prototype, descriptor);
  });
};

/** Writes Nest's metadata for a handler, so that Nest itself finds it and runs the whole pipeline around it. */
export const applyHandler = (
  extras: HandlerExtras,
  prototype: object,
  descriptor: PropertyDescriptor,
): void => {
  const patterns = extras.patterns.map(toNestPattern);
  const isRpc = extras.patterns[0]?.category === 'rpc';
  if (isRpc && retryOf(descriptor.value as object) !== undefined) throw retryOfRpc();
  const decorate = isRpc
    ? MessagePattern(patterns as unknown as string[], POSTAGE_TRANSPORT, { postage: extras })
    : EventPattern<string[]>(patterns as unknown as string[], POSTAGE_TRANSPORT, { postage: extras });
  decorate(prototype, extras.method, descriptor);
  noteErrorsOf(descriptor.value as object);
};

const toNestPattern = ({ category, type, name }: HandlerPattern): Record<string, string> =>
  name === undefined ? { category, type } : { category, type, name };

/** Nest keeps only the topmost of several pattern decorators: ours adds what stands below it, which must be of its kind. */
const refuseMixture = (
  { category, payload }: { category: HandlerPattern['category']; payload: PayloadKind },
  below: HandlerExtras | undefined,
  decorator: string,
): void => {
  if (below?.patterns[0]?.category !== category) {
    throw new InvalidOptionError(
      decorator,
      'can not stand on a method that handles both messages and rpcs. Write two methods.',
    );
  }
  if (below.payload === payload) return;
  throw new InvalidOptionError(
    decorator,
    'can not stand on a method whose payload is the content of one message and the body of another. Write two methods.',
  );
};

const EXTRAS_METADATA = 'microservices:pattern_extras';
const PARAMETERS_METADATA = '__routeArguments__';

/** What one of our decorators has left on a method. */
export const handlerExtrasOf = (method: object): HandlerExtras | undefined => {
  const extras = Reflect.getMetadata(EXTRAS_METADATA, method) as { postage?: HandlerExtras } | undefined;
  return extras?.postage;
};

type Apply = (prototype: object, method: string, descriptor: PropertyDescriptor) => void;

/** A decorator of a method, or of a class that has a method `call`. */
export const onMethodOrClass = (decorator: string, apply: Apply): HandlerDecorator => {
  const decorate = (target: object, property?: string | symbol, descriptor?: PropertyDescriptor): void => {
    if (property !== undefined && descriptor !== undefined)
      return apply(target, String(property), descriptor);
    decorateClass(decorator, target as DecoratedClass, apply);
  };
  return decorate;
};

/** The class form: its `call(content, context)` is the handler, and Nest runs it as a controller's method. */
const decorateClass = (decorator: string, target: DecoratedClass, apply: Apply): void => {
  const { prototype } = target;
  const descriptor = ownMethod(prototype, 'call');
  if (descriptor === undefined) {
    throw new InvalidOptionError(
      `@${decorator} ${target.name}`,
      'is on a class without a method "call(content, context)".',
    );
  }
  makeController(target);
  markHandlerClass(target);
  // Parameters that say themselves what they want keep their word.
  if (!Reflect.hasMetadata(PARAMETERS_METADATA, target, 'call')) {
    Payload()(prototype, 'call', 0);
    Ctx()(prototype, 'call', 1);
  }
  apply(prototype, 'call', descriptor);
};
