import { RETRY_HEADERS } from '../connection/call-headers.js';
import { MAX_TIMER_MS } from '../connection/long-timeout.js';
import { InvalidOptionError } from '../errors.js';
import { defineEks, type Eks } from '../topology/binding.js';

/** Everything that can change per call, through `producer.with({...})`. */
export interface CallOptions {
  /** Send to the first exchange of `eks` with this key. Ignored when `eks` is given too, as in Postage. */
  readonly key?: string | undefined;
  /** Send to these (exchange, key) couples instead of the producer's own; an rpc goes to the first. */
  readonly eks?: Eks | undefined;
  /** How long one attempt of an rpc waits for its reply, in milliseconds. @default 30_000 */
  readonly timeoutMs?: number | undefined;
  /** How often an rpc is sent again after a timeout: 4 means up to five attempts. @default 4 */
  readonly maxRetry?: number | undefined;
  /** An rpc hands back its reply queue at once instead of waiting for a reply. @default false */
  readonly queueOnly?: boolean | undefined;
  /** Limit for connecting, declaring, sending and the broker's confirm, in milliseconds. @default 30_000 */
  readonly publishTimeoutMs?: number | undefined;
  /** AMQP headers; added to those of the producer. Those that tell of retries are left out: they belong to one message in one queue. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
  /** 0 to 255; matters to queues declared with `maxPriority`. */
  readonly priority?: number | undefined;
  /** The message is dropped (or dead-lettered) when it waits longer in a queue, in milliseconds. An rpc expires with its attempt unless this is shorter. */
  readonly expirationMs?: number | undefined;
  /**
   * Survives a restart of the broker in a durable queue.
   * @default true for messages; false for rpc, whose reply has nowhere to come to after that
   */
  readonly persistent?: boolean | undefined;
  /** Fail with UNROUTABLE when no queue takes the message. @default false for messages, true for rpc */
  readonly mandatory?: boolean | undefined;
  /** Stops waiting; what has been sent stays sent. */
  readonly signal?: AbortSignal | undefined;
}

type Check = (value: unknown) => string | undefined;

const is =
  (test: (value: unknown) => boolean, wanted: string): Check =>
  (value) =>
    test(value) ? undefined : `must be ${wanted}, not ${describe(value)}.`;

const describe = (value: unknown): string =>
  typeof value === 'object' ? typeof value : (JSON.stringify(value) ?? typeof value);
const isWhole = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value);
const duration = is(
  (value) => isWhole(value) && value > 0 && value <= MAX_TIMER_MS,
  'a whole number of milliseconds from 1 to 2147483647',
);
const flag = is((value) => typeof value === 'boolean', 'true or false');

const CHECKS: Readonly<Record<keyof CallOptions, Check>> = {
  key: is(
    (value) => typeof value === 'string' && Buffer.byteLength(value) <= 255,
    'a text of at most 255 bytes',
  ),
  eks: (value) => void defineEks(value as Eks, 'eks'),
  timeoutMs: duration,
  maxRetry: is((value) => isWhole(value) && value >= 0, 'a whole number of at least 0'),
  queueOnly: flag,
  publishTimeoutMs: duration,
  headers: is((value) => typeof value === 'object' && value !== null && !Array.isArray(value), 'an object'),
  priority: is((value) => isWhole(value) && value >= 0 && value <= 255, 'a whole number from 0 to 255'),
  expirationMs: is((value) => isWhole(value) && value >= 0, 'a whole number of milliseconds of at least 0'),
  persistent: flag,
  mandatory: flag,
  signal: is((value) => value instanceof AbortSignal, 'an AbortSignal'),
};

/** @throws {InvalidOptionError} */
export const checkDuration = (option: string, value: unknown): void => {
  const problem = duration(value);
  if (problem !== undefined) throw new InvalidOptionError(option, problem);
};

/** Handlers pass the headers of their messages on; runs of that message are none of this one. */
const withoutPast = (headers: NonNullable<CallOptions['headers']>): typeof headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !RETRY_HEADERS.has(name)));

/**
 * Lays options over earlier ones; an undefined field leaves the earlier value.
 * @throws {InvalidOptionError} naming the option
 */
export const mergeCallOptions = (before: CallOptions, given: CallOptions): CallOptions => {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(CHECKS, name)) {
      throw new InvalidOptionError(
        name,
        `is not an option of a call. Known: ${Object.keys(CHECKS).join(', ')}.`,
      );
    }
    // The line above has proved that it is one of the known names.
    const problem = value === undefined ? undefined : CHECKS[name as keyof CallOptions](value);
    if (problem !== undefined) throw new InvalidOptionError(name, problem);
  }
  const defined = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const headers =
    given.headers === undefined ? before.headers : { ...before.headers, ...withoutPast(given.headers) };
  return Object.freeze({ ...before, ...defined, ...(headers === undefined ? {} : { headers }) });
};
