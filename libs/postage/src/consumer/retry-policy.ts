import { verdictOf } from './verdict.js';

/** A policy, with nothing left to default. */
export interface RetrySettings {
  readonly attempts: number;
  /** At least one. */
  readonly backoffMs: readonly [number, ...number[]];
  readonly jitter: number;
  readonly isRetried: (error: unknown) => boolean;
}

export const DEFAULT_RETRY: RetrySettings = {
  attempts: 5,
  backoffMs: [1_000, 5_000, 30_000, 120_000],
  jitter: 0.2,
  isRetried: () => true,
};

/** A run that ended in an error. */
export interface FailedAttempt {
  readonly error: unknown;
  /** 1 for the first run. */
  readonly attempt: number;
  readonly nowMs: number;
  /** The message is worth nothing any more from then on. */
  readonly deadlineMs: number | undefined;
  /** In [0, 1), for jitter. */
  readonly random: number;
}

export interface Wait {
  /** What it would be without jitter: it names the queue that the message waits in. */
  readonly stepMs: number;
  readonly waitMs: number;
  /** Not asked for by the error itself. */
  readonly isOnLadder: boolean;
}

/** What is to become of a message for one of its handlers. */
export type Action =
  | ({ readonly kind: 'retry' } & Wait)
  /** For good. */
  | { readonly kind: 'give-up'; readonly reason: 'failed' | 'rejected' }
  | { readonly kind: 'requeue' };

/**
 * @param policy false: nothing is retried but what says so itself, and that as by default
 */
export const judge = (policy: RetrySettings | false, failed: FailedAttempt): Action => {
  const verdict = verdictOf(failed.error);
  if (verdict?.kind === 'requeue') return { kind: 'requeue' };
  if (verdict?.kind === 'reject') return { kind: 'give-up', reason: 'rejected' };
  const { attempt, nowMs, deadlineMs = Infinity } = failed;
  const settings = policy === false ? DEFAULT_RETRY : policy;
  const isRetried = verdict !== undefined || (policy !== false && policy.isRetried(failed.error));
  if (!isRetried || attempt >= settings.attempts) return GIVEN_UP;
  const wait = waitOf(settings, failed, verdict?.delayMs);
  return nowMs + wait.waitMs < deadlineMs ? { kind: 'retry', ...wait } : GIVEN_UP;
};

const GIVEN_UP: Action = { kind: 'give-up', reason: 'failed' };

const waitOf = (
  { backoffMs, jitter }: RetrySettings,
  { attempt, random }: FailedAttempt,
  delayMs: number | undefined,
): Wait => {
  if (delayMs !== undefined) return { stepMs: delayMs, waitMs: delayMs, isOnLadder: false };
  const stepMs = backoffMs[Math.min(attempt, backoffMs.length) - 1] ?? backoffMs[0];
  return { stepMs, waitMs: Math.round(stepMs * (1 - jitter * random)), isOnLadder: true };
};

/** The steps that a policy can come to. */
export const stepsOf = ({ attempts, backoffMs }: RetrySettings): readonly number[] => [
  ...new Set(backoffMs.slice(0, attempts - 1)),
];
