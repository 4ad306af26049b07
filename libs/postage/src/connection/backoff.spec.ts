import { describe, expect, it } from 'vitest';
import { delayMs, resolveBackoff } from './backoff.js';

describe('delayMs', () => {
  const backoff = resolveBackoff({ initialDelayMs: 100, maxDelayMs: 1_000 });

  it('doubles its bound up to the maximum', () => {
    const bounds = [1, 2, 3, 4, 5, 100, 10_000].map((attempt) => delayMs(backoff, attempt, 0.999_999));
    expect(bounds).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000]);
  });

  it('waits any time below the bound', () => {
    expect([0, 0.25, 0.5].map((random) => delayMs(backoff, 3, random))).toEqual([0, 100, 200]);
  });
});

describe('resolveBackoff', () => {
  it('refuses what is no positive number, by name', () => {
    expect(() => resolveBackoff({ maxDelayMs: 0 })).toThrow(
      expect.objectContaining({ option: 'reconnect.maxDelayMs' }),
    );
    expect(() => resolveBackoff({ initialDelayMs: Number.NaN })).toThrow(
      expect.objectContaining({ option: 'reconnect.initialDelayMs' }),
    );
  });
});
