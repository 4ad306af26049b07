import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_RETRY, judge, stepsOf, type FailedAttempt, type RetrySettings } from './retry-policy.js';
import { VERDICT, type Verdict } from './verdict.js';

/** As the errors are that handlers throw to decide themselves. */
const decided = (verdict: Verdict): Error => Object.assign(new Error('decided'), { [VERDICT]: verdict });
const reject = decided({ kind: 'reject' });
const requeue = decided({ kind: 'requeue' });
const retryLater = (delayMs?: number): Error => decided({ kind: 'retry-later', delayMs });

const policy = (given: Partial<RetrySettings> = {}): RetrySettings => ({
  attempts: 3,
  backoffMs: [100, 500],
  jitter: 0,
  isRetried: () => true,
  ...given,
});

const failed = (given: Partial<FailedAttempt> = {}): FailedAttempt => ({
  error: new Error('broken'),
  attempt: 1,
  nowMs: 1_000,
  deadlineMs: undefined,
  random: 0,
  ...given,
});

const GIVEN_UP = { kind: 'give-up', reason: 'failed' };

describe('judge', () => {
  it('goes up the ladder, and stays on its last step', () => {
    const waits = [1, 2, 3, 4].map((attempt) => judge(policy({ attempts: 9 }), failed({ attempt })));
    expect(waits).toEqual(
      [100, 500, 500, 500].map((ms) => ({ kind: 'retry', stepMs: ms, waitMs: ms, isOnLadder: true })),
    );
  });

  it('gives up after as many runs as the policy allows', () => {
    expect(judge(policy(), failed({ attempt: 2 }))).toMatchObject({ kind: 'retry' });
    expect(judge(policy(), failed({ attempt: 3 }))).toEqual(GIVEN_UP);
    expect(judge(policy({ attempts: 1 }), failed())).toEqual(GIVEN_UP);
    // The policy may have become stricter while a message was waiting.
    expect(judge(policy(), failed({ attempt: 17 }))).toEqual(GIVEN_UP);
  });

  it('gives up at errors that the policy is not for, and without a policy at all', () => {
    const picky = policy({ isRetried: (error) => error instanceof RangeError });
    expect(judge(picky, failed())).toEqual(GIVEN_UP);
    expect(judge(picky, failed({ error: new RangeError('far') }))).toMatchObject({ kind: 'retry' });
    expect(judge(false, failed())).toEqual(GIVEN_UP);
  });

  it('gives up when the time of the message is over before the next run', () => {
    expect(judge(policy(), failed({ deadlineMs: 1_100 }))).toEqual(GIVEN_UP);
    expect(judge(policy(), failed({ deadlineMs: 1_101 }))).toMatchObject({ kind: 'retry' });
  });

  it('shortens waits by up to the jitter, and never lengthens them', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        fc.integer({ min: 0, max: 1_000_000 }),
        (jitter, random, stepMs) => {
          const action = judge(policy({ jitter, backoffMs: [stepMs] }), failed({ random }));
          if (action.kind !== 'retry') throw new Error('it is not retried');
          expect(action.stepMs).toBe(stepMs);
          expect(Number.isInteger(action.waitMs)).toBe(true);
          expect(action.waitMs).toBeLessThanOrEqual(stepMs);
          expect(action.waitMs).toBeGreaterThanOrEqual(Math.floor(stepMs * (1 - jitter)));
        },
      ),
    );
  });

  it('spreads waits over all of the jitter', () => {
    const waits = [0, 0.5, 0.999].map((random) => judge(policy({ jitter: 0.2 }), failed({ random })));
    expect(waits).toMatchObject([{ waitMs: 100 }, { waitMs: 90 }, { waitMs: 80 }]);
  });
});

describe('judge, where the error decides', () => {
  it('never retries what it rejects', () => {
    expect(judge(policy(), failed({ error: reject }))).toEqual({
      kind: 'give-up',
      reason: 'rejected',
    });
  });

  it('gives back what it gives back, however often it has run', () => {
    for (const given of [policy(), false] as const)
      expect(judge(given, failed({ error: requeue, attempt: 99 }))).toEqual({ kind: 'requeue' });
  });

  it('retries what it wants later even where the policy would not, but for as many attempts', () => {
    const error = retryLater();
    const picky = policy({ isRetried: () => false });
    expect(judge(picky, failed({ error }))).toMatchObject({ kind: 'retry', stepMs: 100, isOnLadder: true });
    expect(judge(picky, failed({ error, attempt: 3 }))).toEqual(GIVEN_UP);
  });

  it('waits exactly as long as it says, whatever the jitter', () => {
    const error = retryLater(1_234);
    expect(judge(policy({ jitter: 1 }), failed({ error, random: 0.9 }))).toEqual({
      kind: 'retry',
      stepMs: 1_234,
      waitMs: 1_234,
      isOnLadder: false,
    });
  });

  it('takes the defaults where there is no policy', () => {
    const error = retryLater();
    const waits = [1, 2, 3, 4, 5].map((attempt) => judge(false, failed({ error, attempt })));
    expect(waits).toMatchObject([...DEFAULT_RETRY.backoffMs.map((stepMs) => ({ stepMs })), GIVEN_UP]);
  });

  it('is known from another copy of this package', () => {
    const foreign = Object.assign(new Error('x'), { [Symbol.for('postage:verdict')]: { kind: 'requeue' } });
    expect(judge(policy(), failed({ error: foreign }))).toEqual({ kind: 'requeue' });
  });

  it.each([undefined, null, 'text', 7, Symbol('x')])('takes %s for any other error', (error) => {
    expect(judge(policy(), failed({ error }))).toMatchObject({ kind: 'retry' });
  });
});

describe('stepsOf', () => {
  it('has every wait that the policy can come to, once', () => {
    expect(stepsOf(policy({ attempts: 9, backoffMs: [5, 10, 5, 20] }))).toEqual([5, 10, 20]);
    expect(stepsOf(policy({ attempts: 3, backoffMs: [5, 10, 20] }))).toEqual([5, 10]);
    expect(stepsOf(policy({ attempts: 1 }))).toEqual([]);
  });
});
