import type { RetrySettings } from '../consumer/retry-policy.js';
import { InvalidOptionError } from '../errors.js';

const EXTRAS_METADATA = 'microservices:pattern_extras';
const HANDLER_TYPE_METADATA = 'microservices:handler_type';
/** Nest's `PatternHandler.MESSAGE`, which is not exported. */
const REQUEST = 1;
const RETRY = 'postageRetry';

type Extras = Readonly<Record<string, unknown>>;

/** Nest merges the extras of all decorators of a method, in whichever order they stand, and hands them to the server. */
export const setRetry = (method: object, retry: RetrySettings | false): void => {
  const extras = Reflect.getMetadata(EXTRAS_METADATA, method) as Extras | undefined;
  Reflect.defineMetadata(EXTRAS_METADATA, { ...extras, [RETRY]: retry }, method);
};

export const retryOf = (method: object): RetrySettings | false | undefined =>
  retryIn((Reflect.getMetadata(EXTRAS_METADATA, method) as Extras | undefined) ?? {});

/** What `setRetry` has left in the extras of a handler. */
export const retryIn = (extras: Extras): RetrySettings | false | undefined =>
  extras[RETRY] as RetrySettings | false | undefined;

/** Whether one of the decorators below has made it a handler of requests, ours or Nest's own. */
export const isRequestHandler = (method: object): boolean =>
  Reflect.getMetadata(HANDLER_TYPE_METADATA, method) === REQUEST;

export const retryOfRpc = (label = ''): InvalidOptionError =>
  new InvalidOptionError(
    '@Retry',
    `${label === '' ? 'can not stand' : `stands on ${label},`} on a handler of rpcs: its caller waits, is told what went wrong, and repeats the call itself (timeoutMs, maxRetry). Remove it.`,
  );
