import type { BoundFilter } from '../consumer/filters.js';
import type { HandlerPattern } from '../consumer/handlers.js';
import type { RetrySettings } from '../consumer/retry-policy.js';
import type { DeadLetter } from '../consumer/retry-topology.js';
import type { Eqk } from '../topology/binding.js';

/** Handlers carry it, so that a hybrid application's other transports leave them alone. Equal in every copy of this package. */
export const POSTAGE_TRANSPORT = Symbol.for('postage');

/** What a handler gets as its payload: what `@Payload()` gives, or the one argument of an undecorated method. */
export type PayloadKind = 'content' | 'body' | 'parameters';

/** Travels with a handler in Nest's pattern extras, under `postage`. */
export interface HandlerExtras {
  readonly patterns: readonly HandlerPattern[];
  readonly payload: PayloadKind;
  /** The class that has the method, or inherits it through a decorated subclass. */
  readonly target: DecoratedClass;
  readonly method: string;
}

/** Any class; only its identity and name matter. */
export interface DecoratedClass {
  readonly name: string;
  readonly prototype: object;
}

/** What `@Processor` says of its class. */
export interface ProcessorMetadata {
  readonly eqk: Eqk;
  readonly prefetch?: number | undefined;
  /** Of its message handlers that do not say themselves. */
  readonly retry?: RetrySettings | false | undefined;
  readonly deadLetter?: DeadLetter | undefined;
  /** Which `PostageModule.forRoot({ name })` it belongs to; undefined: the one without a name. */
  readonly connection?: string | undefined;
}

const PROCESSOR = Symbol.for('postage:processor');
const FILTERS = Symbol.for('postage:filters');
const REPLIES = Symbol.for('postage:replies');
const CONTENT_VIEW = Symbol.for('postage:content-view');
const HANDLER_CLASS = Symbol.for('postage:handler-class');

const read = (key: symbol, target: object, property?: string): unknown =>
  property === undefined ? Reflect.getMetadata(key, target) : Reflect.getMetadata(key, target, property);

export const setProcessor = (target: object, processor: ProcessorMetadata): void =>
  Reflect.defineMetadata(PROCESSOR, processor, target);

// What is stored under our own symbols was stored by the setter beside each reader.
export const processorOf = (target: object): ProcessorMetadata | undefined =>
  read(PROCESSOR, target) as ProcessorMetadata | undefined;

/** Decorators run from the bottom up; filters run in the order in which they are written. */
export const addFilter = (prototype: object, method: string, filter: BoundFilter): void =>
  Reflect.defineMetadata(FILTERS, [filter, ...filtersOf(prototype, method)], prototype, method);

export const filtersOf = (prototype: object, method: string): readonly BoundFilter[] =>
  (read(FILTERS, prototype, method) as readonly BoundFilter[] | undefined) ?? [];

export const markReplies = (prototype: object, method: string): void =>
  Reflect.defineMetadata(REPLIES, true, prototype, method);

export const repliesItself = (prototype: object, method: string): boolean =>
  read(REPLIES, prototype, method) === true;

export const markContentView = (prototype: object, method: string): void =>
  Reflect.defineMetadata(CONTENT_VIEW, true, prototype, method);

export const needsContentView = (prototype: object, method: string): boolean =>
  read(CONTENT_VIEW, prototype, method) === true;

export const markHandlerClass = (target: object): void => Reflect.defineMetadata(HANDLER_CLASS, true, target);

export const isHandlerClass = (target: object): boolean => read(HANDLER_CLASS, target) === true;
