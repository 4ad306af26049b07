import { InvalidOptionError } from '../errors.js';
import type { CallStore } from './call-store.js';
import type { RecentCallsLimits } from './recent-calls.js';

/** How much of its answered calls a process remembers. */
export interface RecentCallsOptions {
  /** @default 10_000 */
  readonly maxCalls?: number | undefined;
  /** Should be longer than callers wait, retries included: 150 s by default. @default 300_000 (5 minutes) */
  readonly maxAgeMs?: number | undefined;
  /** Of all remembered answers together; the memory for them may be up to half more. @default 33_554_432 (32 MiB) */
  readonly maxBytes?: number | undefined;
  /** Shared with other processes that consume the same queues. @default none: each process knows its own calls */
  readonly store?: CallStore | undefined;
  /** How long the store may take; then it counts as failed, and the call is handled. @default 1_000 */
  readonly storeTimeoutMs?: number | undefined;
}

export interface RecentCallsSettings extends RecentCallsLimits {
  readonly storeTimeoutMs: number;
  readonly store: CallStore | undefined;
}

const DEFAULTS = {
  maxCalls: 10_000,
  maxAgeMs: 300_000,
  maxBytes: 32 * 1024 * 1024,
} as const satisfies RecentCallsLimits;

const DEFAULT_STORE_TIMEOUT_MS = 1_000;
const KNOWN: readonly string[] = [...Object.keys(DEFAULTS), 'store', 'storeTimeoutMs'];

/** @throws {InvalidOptionError} naming the option */
export const resolveRecentCalls = (
  given: RecentCallsOptions | false | undefined,
): RecentCallsSettings | false => {
  if (given === false) return false;
  const options = given ?? {};
  if (typeof options !== 'object')
    throw new InvalidOptionError('recentCalls', 'must be false, or an object of options.');
  const stranger = Object.keys(options).find((name) => !KNOWN.includes(name));
  if (stranger !== undefined)
    throw new InvalidOptionError(`recentCalls.${stranger}`, `is not an option. Known: ${KNOWN.join(', ')}.`);
  return {
    maxCalls: whole('maxCalls', options.maxCalls ?? DEFAULTS.maxCalls),
    maxAgeMs: whole('maxAgeMs', options.maxAgeMs ?? DEFAULTS.maxAgeMs),
    maxBytes: whole('maxBytes', options.maxBytes ?? DEFAULTS.maxBytes),
    store: checkStore(options.store),
    storeTimeoutMs: whole('storeTimeoutMs', options.storeTimeoutMs ?? DEFAULT_STORE_TIMEOUT_MS),
  };
};

const whole = (name: string, value: number): number => {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidOptionError(
    `recentCalls.${name}`,
    `must be a whole number of at least 1, not ${String(value)}.`,
  );
};

const isStore = (value: unknown): value is CallStore =>
  typeof value === 'object' &&
  value !== null &&
  ['claim', 'answered'].every((name) => typeof (value as Record<string, unknown>)[name] === 'function');

const checkStore = (store: CallStore | undefined): CallStore | undefined => {
  if (store === undefined || isStore(store)) return store;
  throw new InvalidOptionError('recentCalls.store', 'must have the functions claim and answered.');
};
