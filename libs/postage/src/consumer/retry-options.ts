import { InvalidOptionError } from '../errors.js';
import { isRecord, placeOf, refuseUnknownFields, show, type UnknownRecord } from '../topology/checks.js';
import { DEFAULT_RETRY, type RetrySettings } from './retry-policy.js';

/** Any class of errors, abstract ones included. */
export type ErrorClass = abstract new (...args: never[]) => unknown;

/** Whether, how often and when a message whose handler failed is handled again. It waits in the broker. */
export interface RetryPolicy {
  /** How often a handler runs for one message, the first run included. @default 5 */
  readonly attempts?: number | undefined;
  /** The wait before the second run, the third and so on, in milliseconds; the last one repeats. @default [1_000, 5_000, 30_000, 120_000] */
  readonly backoffMs?: readonly number[] | undefined;
  /** From 0 to 1: by up to this share each wait is shortened at random. @default 0.2 */
  readonly jitter?: number | undefined;
  /** Which errors are worth another run: instances of these classes, or what the function says yes to. @default all */
  readonly on?: readonly ErrorClass[] | ((error: unknown) => boolean) | undefined;
}

/** RabbitMQ takes up to ten years; what is meant to wait longer than one is a mistake. */
export const MAX_WAIT_MS = 365 * 24 * 60 * 60 * 1_000;

const KNOWN = ['attempts', 'backoffMs', 'jitter', 'on'] as const satisfies readonly (keyof RetryPolicy)[];
const HINTS: Readonly<Record<string, string>> = {
  backoff: 'write backoffMs',
  delayMs: 'write backoffMs, a list',
  delay: 'write backoffMs, a list',
  retries: 'write attempts, which counts the first run too',
  maxRetry: 'write attempts, which counts the first run too',
  deadLetter: 'write it beside retry',
};

/**
 * @param option how the caller wrote it, for errors; undefined: its fields stand alone
 * @throws {InvalidOptionError} naming the option
 */
export const resolveRetry = (policy: RetryPolicy | false, option?: string): RetrySettings | false => {
  if (policy === false) return false;
  if (!isRecord(policy)) {
    throw new InvalidOptionError(
      option ?? 'policy',
      `must be false, or an object such as { attempts: 3 }; {} for the defaults. It is ${show(policy)}.`,
    );
  }
  const at = placeOf(option);
  const given: UnknownRecord = policy;
  refuseUnknownFields({ given, known: KNOWN, hints: HINTS, at });
  return {
    attempts: readAttempts(given['attempts'], at('attempts')),
    backoffMs: readBackoff(given['backoffMs'], at('backoffMs')),
    jitter: readJitter(given['jitter'], at('jitter')),
    isRetried: readErrors(given['on'], at('on')),
  };
};

const readAttempts = (value: unknown, option: string): number => {
  if (value === undefined) return DEFAULT_RETRY.attempts;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidOptionError(
    option,
    `must be a whole number of at least 1 (the first run counts), not ${show(value)}.`,
  );
};

const readBackoff = (value: unknown, option: string): RetrySettings['backoffMs'] => {
  if (value === undefined) return DEFAULT_RETRY.backoffMs;
  if (!Array.isArray(value))
    throw new InvalidOptionError(option, `must be a list of milliseconds, not ${show(value)}.`);
  // Holes included.
  const waits = Array.from(value, (wait: unknown, index) => readWaitMs(wait, `${option}[${index}]`));
  const [first, ...others] = waits;
  if (first === undefined)
    throw new InvalidOptionError(option, 'must have at least one wait; attempts: 1 means no retries.');
  return [first, ...others];
};

/** @throws {InvalidOptionError} */
export const readWaitMs = (value: unknown, option: string): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= MAX_WAIT_MS)
    return value;
  throw new InvalidOptionError(
    option,
    `must be a whole number of milliseconds from 0 to ${MAX_WAIT_MS} (a year), not ${show(value)}.`,
  );
};

const readJitter = (value: unknown, option: string): number => {
  if (value === undefined) return DEFAULT_RETRY.jitter;
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw new InvalidOptionError(option, `must be a number from 0 to 1, not ${show(value)}.`);
};

const readErrors = (value: unknown, option: string): ((error: unknown) => boolean) => {
  if (value === undefined) return DEFAULT_RETRY.isRetried;
  // Both are checked right here: an array of classes, or a function that is none.
  if (Array.isArray(value))
    return instancesOf(value.map((each, index) => readClass(each, `${option}[${index}]`)));
  if (typeof value === 'function' && !isClass(value)) {
    // A promise would be truthy, whatever it resolves with.
    return (error) => (value(error) as unknown) === true;
  }
  const hint = typeof value === 'function' ? ` Write [${value.name}].` : '';
  throw new InvalidOptionError(
    option,
    `must be a list of error classes, or a function from an error to true or false, not ${show(value)}.${hint}`,
  );
};

const instancesOf =
  (classes: readonly ErrorClass[]) =>
  (error: unknown): boolean =>
    classes.some((each) => error instanceof each);

const readClass = (value: unknown, option: string): ErrorClass => {
  if (typeof value === 'function' && isClass(value)) return value as unknown as ErrorClass;
  throw new InvalidOptionError(option, `must be a class of errors, not ${show(value)}.`);
};

/** Arrow functions and methods have no prototype; the one of a plain function has nothing but its constructor. */
const isClass = (value: object): boolean => {
  const { prototype } = value as { readonly prototype?: unknown };
  if (!isRecord(prototype)) return false;
  return (
    value === Error || prototype instanceof Error || /^class\b/.test(Function.prototype.toString.call(value))
  );
};
