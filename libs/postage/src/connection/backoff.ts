import { InvalidOptionError } from '../errors.js';
import { MAX_TIMER_MS } from './long-timeout.js';

/** How long to wait before a connection is tried again, all in milliseconds. */
export interface BackoffOptions {
  /** The upper bound of the first wait. @default 200 */
  readonly initialDelayMs?: number | undefined;
  /** The upper bound of every wait. @default 30_000 */
  readonly maxDelayMs?: number | undefined;
  /** A connection that lasted so long ends the count of attempts: the next wait is a first one again. @default 10_000 */
  readonly stableAfterMs?: number | undefined;
}

export interface Backoff {
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  readonly stableAfterMs: number;
}

const DEFAULTS = {
  initialDelayMs: 200,
  maxDelayMs: 30_000,
  stableAfterMs: 10_000,
} as const satisfies Backoff;

/** @throws {InvalidOptionError} */
export const resolveBackoff = (given: BackoffOptions = {}): Backoff => {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(DEFAULTS, key));
  if (unknown !== undefined) {
    const known = Object.keys(DEFAULTS).join(', ');
    throw new InvalidOptionError(`reconnect.${unknown}`, `is not an option. Known: ${known}.`);
  }
  const resolved = {
    initialDelayMs: given.initialDelayMs ?? DEFAULTS.initialDelayMs,
    maxDelayMs: given.maxDelayMs ?? DEFAULTS.maxDelayMs,
    stableAfterMs: given.stableAfterMs ?? DEFAULTS.stableAfterMs,
  };
  for (const [name, value] of Object.entries(resolved)) {
    if (!Number.isFinite(value) || value <= 0 || value > MAX_TIMER_MS) {
      throw new InvalidOptionError(
        `reconnect.${name}`,
        `must be a number of milliseconds above 0 and up to ${MAX_TIMER_MS}, not ${String(value)}.`,
      );
    }
  }
  return resolved;
};

/**
 * Exponential backoff with full jitter: a random wait below a bound that doubles, so that a fleet that lost its broker
 * together does not come back together.
 * @param attempt counts from 1
 * @param random a number in [0, 1)
 */
export const delayMs = (backoff: Backoff, attempt: number, random: number): number => {
  const bound = Math.min(backoff.maxDelayMs, backoff.initialDelayMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(bound * random);
};
