import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CallClock } from './call-clock.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

describe('CallClock', () => {
  it('begins when it is made', () => {
    pass(5_000);
    const clock = new CallClock({ timeoutMs: 100, maxRetry: 4 });
    expect([clock.elapsedMs, clock.leftMs]).toEqual([0, 500]);
    pass(120);
    expect([clock.elapsedMs, clock.leftMs]).toEqual([120, 380]);
  });

  it('has the time of all attempts together, and tells by how much it is over', () => {
    const clock = new CallClock({ timeoutMs: 100, maxRetry: 0 });
    pass(100);
    expect(clock.leftMs).toBe(0);
    pass(30);
    expect(clock.leftMs).toBe(-30);
  });

  it.for([
    [0, 5],
    [1, 5],
    [99, 5],
    [100, 4],
    [250, 3],
    [400, 1],
    [499, 1],
    [500, 0],
  ] as const)(
    'takes the %d ms that have gone by from the first attempts: %d are left',
    ([elapsedMs, left]) => {
      const clock = new CallClock({ timeoutMs: 100, maxRetry: 4 });
      pass(elapsedMs);
      expect(clock.begin()).toBe(left);
    },
  );

  it('has no attempt left when all the time is over', () => {
    const clock = new CallClock({ timeoutMs: 100, maxRetry: 1 });
    for (const ms of [200, 50, 1_000]) {
      pass(ms);
      expect(clock.begin()).toBe(0);
    }
  });

  it('ends every attempt at its time since the beginning, however late the one before it ended', () => {
    const clock = new CallClock({ timeoutMs: 100, maxRetry: 4 });
    pass(150);
    const count = clock.begin();
    expect([count, clock.leftOf(1), clock.leftOf(2), clock.leftOf(4)]).toEqual([4, 50, 150, 350]);
    pass(70);
    // The first one is over by 20 ms: those come off the second.
    expect([clock.leftOf(1), clock.leftOf(2), clock.leftOf(4)]).toEqual([1, 80, 280]);
  });

  it('counts attempts exactly, however many there are', () => {
    const clock = new CallClock({ timeoutMs: 200, maxRetry: Number.MAX_SAFE_INTEGER - 1 });
    pass(300);
    const count = clock.begin();
    expect([count, clock.leftOf(1), clock.leftOf(5)]).toEqual([Number.MAX_SAFE_INTEGER - 1, 100, 900]);
  });

  it('has the attempts that the time is for: the first of them gets what is left of its own', () => {
    const milliseconds = fc.integer({ min: 1, max: 60_000 });
    fc.assert(
      fc.property(milliseconds, fc.nat(10), fc.nat(700_000), (timeoutMs, maxRetry, waitedMs) => {
        const clock = new CallClock({ timeoutMs, maxRetry });
        pass(waitedMs);
        const count = clock.begin();
        if (waitedMs < timeoutMs * (maxRetry + 1)) expect(clock.leftOf(count)).toBe(clock.leftMs);
        else expect(count).toBe(0);
        expect(clock.leftOf(1)).toBeGreaterThan(0);
        expect(clock.leftOf(1)).toBeLessThanOrEqual(timeoutMs);
        expect(clock.leftOf(2) - clock.leftOf(1)).toBe(timeoutMs);
      }),
    );
  });
});
