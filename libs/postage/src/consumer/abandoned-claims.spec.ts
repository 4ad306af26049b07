import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AbandonedClaims } from './abandoned-claims.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const inMs = (ms: number): number => performance.now() + ms;

describe('AbandonedClaims', () => {
  it('give each claim to the first who asks, and nobody one that was never abandoned', () => {
    const claims = new AbandonedClaims();
    claims.add('a', inMs(100));
    claims.add('b', inMs(100));
    expect(['a', 'a', 'c', 'b', 'b'].map((id) => claims.take(id))).toEqual([true, false, false, true, false]);
  });

  it('give none whose lease is over, then or later', () => {
    const claims = new AbandonedClaims();
    claims.add('short', inMs(100));
    claims.add('long', inMs(101));
    claims.add('over', inMs(0));
    vi.advanceTimersByTime(100);
    expect(['short', 'long', 'over', 'short'].map((id) => claims.take(id))).toEqual([
      false,
      true,
      false,
      false,
    ]);
  });

  it('count from the last lease of a call that is abandoned again', () => {
    const claims = new AbandonedClaims();
    claims.add('longer', inMs(100));
    claims.add('longer', inMs(200));
    claims.add('shorter', inMs(200));
    claims.add('shorter', inMs(100));
    vi.advanceTimersByTime(150);
    expect([claims.take('longer'), claims.take('shorter')]).toEqual([true, false]);
  });

  it('forget those first that were abandoned first, where there are too many', () => {
    const claims = new AbandonedClaims();
    for (const id of ['first', 'again', 'third']) claims.add(id, inMs(100));
    for (let number = 3; number < 10_000; number += 1) claims.add(`${number}`, inMs(100));
    for (const id of ['again', 'one more', 'and another']) claims.add(id, inMs(100));
    const ids = ['first', 'third', '3', '9999', 'again', 'one more', 'and another'];
    expect(ids.filter((id) => claims.take(id))).toEqual(ids.slice(2));
  });
});
