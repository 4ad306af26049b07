import { describe, expect, it } from 'vitest';
import { BrokerError, ConnectionError, TopologyError } from '../errors.js';
import { endOfStart, resolveStartup, type StartupOptions } from './startup.js';

const unreachable = new ConnectionError('CONNECTION_FAILED', 'no connection to amqp://x');
const refused = new ConnectionError('ACCESS_REFUSED', 'wrong password');

describe('resolveStartup', () => {
  it('waits without limits when nothing is said', () => {
    expect(resolveStartup()).toEqual({ mode: 'wait', maxAttempts: Infinity, timeoutMs: Infinity });
  });

  it('takes a mode alone, or with limits', () => {
    expect(resolveStartup('failFast').maxAttempts).toBe(1);
    expect(resolveStartup({ mode: 'background', maxAttempts: 3, timeoutMs: 5_000 })).toEqual({
      mode: 'background',
      maxAttempts: 3,
      timeoutMs: 5_000,
    });
  });

  it.each([
    ['startup', { mode: 'soon' }],
    ['startup.maxAttempts', { maxAttempts: 0 }],
    ['startup.timeoutMs', { timeoutMs: 1.5 }],
    ['startup.retries', { retries: 3 }],
    ['startup', { mode: 'failFast', maxAttempts: 3 }],
  ])('refuses what is no %s', (option, given) => {
    expect(() => resolveStartup(given as StartupOptions)).toThrow(expect.objectContaining({ option }));
  });
});

describe('endOfStart', () => {
  const failed = { error: unreachable, isPermanent: false, attempt: 1, elapsedMs: 10 };

  it('goes on while there is hope and time', () => {
    expect(endOfStart(resolveStartup(), { ...failed, attempt: 1_000, elapsedMs: 1e9 })).toBeUndefined();
  });

  it('ends at once with what waiting does not cure, except in the background', () => {
    const permanent = { ...failed, error: refused, isPermanent: true };
    expect(endOfStart(resolveStartup(), permanent)).toBe(refused);
    expect(endOfStart(resolveStartup('background'), permanent)).toBeUndefined();
  });

  it('ends with the first failure when it is to fail fast', () => {
    expect(endOfStart(resolveStartup('failFast'), failed)).toBe(unreachable);
  });

  it('gives up at its limits, and says what it tried', () => {
    const startup = resolveStartup({ maxAttempts: 3, timeoutMs: 1_000 });
    expect(endOfStart(startup, { ...failed, attempt: 2, elapsedMs: 999 })).toBeUndefined();
    const atLast = { ...failed, attempt: 3, elapsedMs: 500 };
    expect(endOfStart(startup, atLast)).toMatchObject({
      code: 'CONNECTION_FAILED',
      message: 'gave up after 3 attempt(s) in 500 ms: no connection to amqp://x',
      cause: unreachable,
    });
    expect(endOfStart(startup, { ...failed, elapsedMs: 1_000 })).toBeInstanceOf(ConnectionError);
  });

  it("leaves the broker's refusals as they are", () => {
    const locked = new TopologyError('is locked', { entity: 'queue "x"', remedy: 'Wait.', amqpCode: 405 });
    const startup = resolveStartup({ maxAttempts: 2 });
    expect(endOfStart(startup, { ...failed, error: locked, attempt: 2 })).toBe(locked);
    const ended = new BrokerError(undefined, 'ended');
    expect(endOfStart(startup, { ...failed, error: ended, attempt: 2 })).toBe(ended);
  });
});
