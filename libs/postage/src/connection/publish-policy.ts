import { InvalidOptionError } from '../errors.js';
import { MAX_TIMER_MS } from './long-timeout.js';

/** What becomes of messages that can not be sent at once. */
export interface PublishingOptions {
  /**
   * While the broker can not be reached: `wait` for it, each message until its own deadline, or `fail` at once with
   * NOT_CONNECTED. The first connection is waited for in any case, until an attempt has failed; replies of handlers always wait.
   * @default 'wait'
   */
  readonly offline?: 'wait' | 'fail' | undefined;
  /** How many messages may wait to be sent; the next one fails at once with BUFFER_FULL. @default 250_000 */
  readonly maxWaiting?: number | undefined;
  /** How many bytes the bodies of the waiting messages may have together. @default 134_217_728 (128 MiB) */
  readonly maxWaitingBytes?: number | undefined;
  /** How long a message may wait before it is sent, in milliseconds; its own deadline may be earlier. @default no limit but the deadline */
  readonly maxWaitingMs?: number | undefined;
}

/** The same with nothing left to default. */
export interface PublishingPolicy {
  readonly offline: 'wait' | 'fail';
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
  readonly maxWaitingMs: number;
}

const DEFAULTS = {
  offline: 'wait',
  maxWaiting: 250_000,
  maxWaitingBytes: 128 * 1024 * 1024,
  maxWaitingMs: MAX_TIMER_MS,
} as const satisfies PublishingPolicy;

const LIMITS = ['maxWaiting', 'maxWaitingBytes', 'maxWaitingMs'] as const;

/** @throws {InvalidOptionError} */
export const resolvePublishing = (given: PublishingOptions = {}): PublishingPolicy => {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(DEFAULTS, key));
  if (unknown !== undefined) {
    const known = Object.keys(DEFAULTS).join(', ');
    throw new InvalidOptionError(`publishing.${unknown}`, `is not an option. Known: ${known}.`);
  }
  const { offline } = given;
  if (offline !== undefined && offline !== 'wait' && offline !== 'fail')
    throw new InvalidOptionError(
      'publishing.offline',
      `must be 'wait' or 'fail', not ${JSON.stringify(offline)}.`,
    );
  for (const name of LIMITS) checkLimit(name, given[name]);
  return {
    offline: offline ?? DEFAULTS.offline,
    maxWaiting: given.maxWaiting ?? DEFAULTS.maxWaiting,
    maxWaitingBytes: given.maxWaitingBytes ?? DEFAULTS.maxWaitingBytes,
    maxWaitingMs: Math.min(given.maxWaitingMs ?? DEFAULTS.maxWaitingMs, MAX_TIMER_MS),
  };
};

const checkLimit = (name: string, value: number | undefined): void => {
  if (value === undefined || (Number.isSafeInteger(value) && value > 0)) return;
  throw new InvalidOptionError(
    `publishing.${name}`,
    `must be a whole number of at least 1, not ${String(value)}.`,
  );
};
