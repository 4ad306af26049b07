import { ConnectionError, InvalidOptionError } from '../errors.js';

/**
 * What starting does while the broker can not be reached.
 * - `wait`: the start lasts until everything is consumed. Refusals that waiting does not cure (credentials, virtual host,
 *   topology) end it at once.
 * - `failFast`: the first attempt that fails ends it.
 * - `background`: the start is over at once, and what is to be consumed is consumed as soon as that works. Refusals are
 *   logged and tried again, too; readiness says no until then.
 */
export type StartupMode = 'wait' | 'failFast' | 'background';

export interface StartupOptions {
  /** @default 'wait' */
  readonly mode?: StartupMode | undefined;
  /** After so many attempts it gives up; all addresses once are one attempt. Not for `failFast`. @default no limit */
  readonly maxAttempts?: number | undefined;
  /**
   * After so long it gives up, in milliseconds; an attempt that has begun ends first (see `connectTimeoutMs`). Not for
   * `failFast`. @default no limit
   */
  readonly timeoutMs?: number | undefined;
}

/** The same with nothing left to default. */
export interface Startup {
  readonly mode: StartupMode;
  readonly maxAttempts: number;
  readonly timeoutMs: number;
}

const MODES: readonly StartupMode[] = ['wait', 'failFast', 'background'];
const OPTIONS = ['mode', 'maxAttempts', 'timeoutMs'] as const satisfies readonly (keyof StartupOptions)[];

/** @throws {InvalidOptionError} */
export const resolveStartup = (given: StartupMode | StartupOptions = {}): Startup => {
  const options = typeof given === 'string' ? { mode: given } : given;
  const unknown = Object.keys(options).find((key) => !(OPTIONS as readonly string[]).includes(key));
  if (unknown !== undefined)
    throw new InvalidOptionError(`startup.${unknown}`, `is not an option. Known: ${OPTIONS.join(', ')}.`);
  const { mode = 'wait', maxAttempts, timeoutMs } = options;
  if (!MODES.includes(mode))
    throw new InvalidOptionError(
      'startup',
      `must be one of ${MODES.join(', ')}, not ${JSON.stringify(mode)}.`,
    );
  checkLimit('maxAttempts', maxAttempts);
  checkLimit('timeoutMs', timeoutMs);
  if (mode !== 'failFast')
    return { mode, maxAttempts: maxAttempts ?? Infinity, timeoutMs: timeoutMs ?? Infinity };
  if (maxAttempts !== undefined || timeoutMs !== undefined)
    throw new InvalidOptionError(
      'startup',
      "has limits that 'failFast' does not need: use 'wait' with maxAttempts or timeoutMs.",
    );
  return { mode, maxAttempts: 1, timeoutMs: Infinity };
};

const checkLimit = (name: string, value: number | undefined): void => {
  if (value === undefined || (Number.isSafeInteger(value) && value > 0)) return;
  throw new InvalidOptionError(
    `startup.${name}`,
    `must be a whole number of at least 1, not ${String(value)}.`,
  );
};

/** For a connection that opens when it is first used: whoever uses it has limits of their own. */
export const UNLIMITED: Startup = { mode: 'wait', maxAttempts: Infinity, timeoutMs: Infinity };

/** One try to start that has failed. */
export interface FailedAttempt {
  readonly error: Error;
  /** Waiting does not cure it. */
  readonly isPermanent: boolean;
  readonly attempt: number;
  /** Since the first attempt. */
  readonly elapsedMs: number;
}

/** The error that ends the start, or undefined: it goes on. */
export const endOfStart = (startup: Startup, failed: FailedAttempt): Error | undefined => {
  const { error, isPermanent, attempt, elapsedMs } = failed;
  const { mode, maxAttempts, timeoutMs } = startup;
  if (isPermanent && mode !== 'background') return error;
  if (attempt < maxAttempts && elapsedMs < timeoutMs) return undefined;
  // A refusal by the broker says what was wrong where; the first attempt needs no count.
  if (!(error instanceof ConnectionError) || mode === 'failFast') return error;
  const text = `gave up after ${attempt} attempt(s) in ${Math.round(elapsedMs)} ms: ${error.message}`;
  return new ConnectionError(error.code, text, { cause: error });
};
