import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RestingAddresses } from './resting-addresses.js';

const IDLE_MS = 1_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

const restingOf = (...addresses: readonly string[]) => {
  const discarded: string[] = [];
  const resting = new RestingAddresses<string>(IDLE_MS, (address) => discarded.push(address));
  for (const address of addresses) resting.put(address);
  return { resting, discarded };
};

describe('RestingAddresses', () => {
  it('gives the one first that was used last', () => {
    const { resting } = restingOf('a', 'b');
    expect(resting.take()).toBe('b');
    resting.put('c');
    expect([resting.size, resting.take(), resting.take(), resting.take()]).toEqual([2, 'c', 'a', undefined]);
  });

  it('lets one go that has rested for its time, and not before', () => {
    const { resting, discarded } = restingOf('a');
    pass(IDLE_MS - 1);
    expect([resting.size, discarded]).toEqual([1, []]);
    pass(1);
    expect([resting.size, discarded, resting.take()]).toEqual([0, ['a'], undefined]);
  });

  it('lets each go in its own time, the oldest first', () => {
    const { resting, discarded } = restingOf('a', 'b');
    pass(400);
    resting.put('c');
    pass(600);
    expect(discarded).toEqual(['a', 'b']);
    pass(399);
    expect(resting.size).toBe(1);
    pass(1);
    expect([discarded, resting.size]).toEqual([['a', 'b', 'c'], 0]);
  });

  it('keeps what is used now and then: its time begins anew', () => {
    const { resting, discarded } = restingOf('a');
    for (let count = 0; count < 5; count += 1) {
      pass(IDLE_MS - 1);
      expect(resting.take()).toBe('a');
      resting.put('a');
    }
    expect(discarded).toEqual([]);
    pass(IDLE_MS);
    expect(discarded).toEqual(['a']);
  });

  it('lets those grow old that are beyond the need', () => {
    const { resting, discarded } = restingOf('a', 'b', 'c');
    for (let count = 0; count < 10; count += 1) {
      const one = resting.take() ?? '';
      pass(IDLE_MS / 4);
      resting.put(one);
    }
    expect([discarded, resting.take()]).toEqual([['a', 'b'], 'c']);
  });

  it('does not let go what was removed or taken', () => {
    const { resting, discarded } = restingOf('a', 'b', 'c');
    resting.remove('b');
    resting.remove('stranger');
    expect([resting.size, resting.take()]).toEqual([2, 'c']);
    pass(10 * IDLE_MS);
    expect([discarded, resting.size]).toEqual([['a'], 0]);
  });

  it('has one timer while something rests, and none when all have gone', () => {
    const { resting } = restingOf();
    expect(vi.getTimerCount()).toBe(0);
    resting.put('a');
    pass(10);
    resting.put('b');
    expect(vi.getTimerCount()).toBe(1);
    pass(IDLE_MS - 10);
    expect([resting.size, vi.getTimerCount()]).toEqual([1, 1]);
    pass(10);
    expect([resting.size, vi.getTimerCount()]).toEqual([0, 0]);
    resting.put('c');
    expect(vi.getTimerCount()).toBe(1);
  });

  it('has no timer once all have been taken and its time is over', () => {
    const { resting, discarded } = restingOf('a');
    resting.take();
    pass(IDLE_MS);
    expect([vi.getTimerCount(), discarded]).toEqual([0, []]);
  });

  it('keeps no process alive', () => {
    vi.useRealTimers();
    const before = process.getActiveResourcesInfo();
    const { resting } = restingOf('a');
    expect(process.getActiveResourcesInfo()).toEqual(before);
    resting.clear();
  });

  it('forgets all at once without letting them go, and the timer with them', () => {
    const { resting, discarded } = restingOf('a', 'b');
    resting.clear();
    expect([resting.size, resting.take(), vi.getTimerCount()]).toEqual([0, undefined, 0]);
    pass(10 * IDLE_MS);
    expect(discarded).toEqual([]);
    resting.put('c');
    pass(IDLE_MS);
    expect(discarded).toEqual(['c']);
  });
});
