import { describePattern, type Handler, type HandlerPattern } from '../consumer/handlers.js';
import { isRecord } from '../wire/body.js';
import {
  filtersOf,
  needsContentView,
  repliesItself,
  type DecoratedClass,
  type HandlerExtras,
  type PayloadKind,
} from './metadata.js';

/** A handler as Nest registers it, in our terms. */
export interface HandlerDescription {
  readonly handler: Omit<Handler, 'invoke'>;
  readonly payload: PayloadKind;
  readonly contentView: boolean;
  /** Undefined for handlers of Nest's own decorators: they do not say whose they are. */
  readonly target: DecoratedClass | undefined;
  /** Equal for the same pattern of the same method; undefined where nobody can tell. */
  readonly key: string | undefined;
}

/** What Nest hands over for every pattern of every handler. */
export interface NestRegistration {
  readonly pattern: unknown;
  readonly isEventHandler: boolean;
  readonly extras: Readonly<Record<string, unknown>>;
}

/** Reads what our decorators left, or makes the best of a handler of Nest's own `@MessagePattern` and `@EventPattern`. */
export const describeHandler = (
  { pattern, isEventHandler, extras }: NestRegistration,
  normalize: (pattern: string | Record<string, never>) => string,
): HandlerDescription => {
  const ours = extras['postage'] as HandlerExtras | undefined;
  return ours === undefined
    ? describeStock(pattern, isEventHandler, normalize)
    : describeOurs(pattern as HandlerPattern, ours);
};

const describeOurs = (
  pattern: HandlerPattern,
  { target, method, payload }: HandlerExtras,
): HandlerDescription => {
  const { prototype } = target;
  const label = `${target.name}.${method}`;
  const filters = filtersOf(prototype, method);
  return {
    handler: { pattern, label, filters, repliesItself: repliesItself(prototype, method) },
    payload,
    contentView: needsContentView(prototype, method),
    target,
    key: `${method} ${describePattern(pattern)}`,
  };
};

const describeStock = (
  pattern: unknown,
  isEventHandler: boolean,
  normalize: (pattern: string | Record<string, never>) => string,
): HandlerDescription => {
  const target = patternOf(pattern, normalize);
  const full: HandlerPattern = { category: isEventHandler ? 'message' : 'rpc', ...target };
  return {
    handler: {
      pattern: full,
      label: `the handler of pattern ${JSON.stringify(pattern)}`,
      filters: [],
      repliesItself: false,
    },
    payload: 'parameters',
    contentView: false,
    target: undefined,
    key: undefined,
  };
};

/**
 * A pattern of Nest as type and name: `'sum'` and `{ cmd: 'sum' }` are the command `sum`, `{ type, name }` says it itself, and
 * any other object is a command named by Nest's own text for it.
 */
export const patternOf = (
  pattern: unknown,
  normalize: (pattern: string | Record<string, never>) => string,
): { type: string; name?: string } => {
  if (isRecord(pattern)) {
    const { type, name, cmd } = pattern;
    if (typeof type === 'string') return typeof name === 'string' ? { type, name } : { type };
    if (typeof cmd === 'string' && Object.keys(pattern).length === 1) return { type: 'command', name: cmd };
    return { type: 'command', name: normalize(pattern as Record<string, never>) };
  }
  return { type: 'command', name: String(pattern) };
};
