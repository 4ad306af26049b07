import { describe, expect, it } from 'vitest';
import { Attempts } from './attempts.js';

const BACKOFF = { initialDelayMs: 100, maxDelayMs: 1_000, stableAfterMs: 10_000 };
/** Waits as long as they can be. */
const atMost = (): number => 1;

describe('Attempts', () => {
  it('waits longer and longer, up to the limit', () => {
    const attempts = new Attempts(BACKOFF, atMost);
    const waits = [1, 2, 3, 4, 5, 6].map((number) => {
      expect(attempts.begin()).toBe(number);
      return attempts.nextDelayMs();
    });
    expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it('waits before the first attempt after a loss, too', () => {
    const attempts = new Attempts(BACKOFF, atMost);
    attempts.begin();
    attempts.succeeded(0);
    attempts.lost(10_000);
    expect(attempts.nextDelayMs()).toBe(100);
    expect(attempts.begin()).toBe(1);
  });

  it('goes on counting when what succeeded is lost soon', () => {
    const attempts = new Attempts(BACKOFF, atMost);
    for (const number of [1, 2, 3, 4]) {
      expect(attempts.begin()).toBe(number);
      attempts.succeeded(0);
      attempts.lost(9_999);
    }
    expect(attempts.nextDelayMs()).toBe(800);
  });

  it('waits no longer than eight times the first wait after a loss: it could connect, after all', () => {
    const attempts = new Attempts(BACKOFF, atMost);
    for (let round = 0; round < 20; round += 1) {
      attempts.begin();
      attempts.succeeded(0);
      attempts.lost(1);
    }
    expect(attempts.nextDelayMs()).toBe(800);
    expect([attempts.begin(), attempts.nextDelayMs()]).toEqual([5, 1_000]);
  });

  it('spreads those who wait over all of the time', () => {
    const waits = [0, 0.25, 0.5, 0.99].map((random) => new Attempts(BACKOFF, () => random).nextDelayMs());
    expect(waits).toEqual([0, 25, 50, 99]);
  });
});
