import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { longTimeout, MAX_TIMER_MS } from './long-timeout.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

describe('longTimeout', () => {
  it.each([1, 100, MAX_TIMER_MS, MAX_TIMER_MS + 1, 2 ** 33])('fires once, after %d ms', (ms) => {
    const listener = vi.fn<() => void>();
    longTimeout(listener, ms);
    pass(ms - 1);
    expect(listener).not.toHaveBeenCalled();
    pass(1);
    pass(ms);
    expect([listener.mock.calls, vi.getTimerCount()]).toEqual([[[]], 0]);
  });

  it('never asks a timer for more than it can hold', () => {
    const set = vi.spyOn(globalThis, 'setTimeout');
    longTimeout(() => undefined, 2 * MAX_TIMER_MS + 5);
    pass(2 * MAX_TIMER_MS + 5);
    expect(set.mock.calls.map(([, ms]) => ms)).toEqual([MAX_TIMER_MS, MAX_TIMER_MS, 5]);
  });

  it.each([0, -1, -Infinity])('fires as soon as it can where %d ms are left, but not at once', (ms) => {
    const listener = vi.fn<() => void>();
    longTimeout(listener, ms);
    expect(listener).not.toHaveBeenCalled();
    pass(0);
    expect(listener).toHaveBeenCalledOnce();
  });

  it('waits for ever, without a timer, when there is no end', () => {
    const stop = longTimeout(() => undefined, Infinity);
    expect(vi.getTimerCount()).toBe(0);
    expect(stop).not.toThrow();
  });

  it.each([100, 2 ** 33])('can be stopped in the first part and in a later one, of %d ms', (ms) => {
    const listener = vi.fn<() => void>();
    longTimeout(listener, ms)();
    const stop = longTimeout(listener, ms);
    pass(ms - 1);
    stop();
    stop();
    expect(vi.getTimerCount()).toBe(0);
    pass(ms);
    expect(listener).not.toHaveBeenCalled();
  });
});
