import { describe, expect, it } from 'vitest';
import { median, quantile, ratiosOf, summarize } from './statistics.js';

describe('quantile', () => {
  it('is the value at that part of the sorted values', () => {
    expect(quantile([1, 2, 3, 4, 5], 0)).toBe(1);
    expect(quantile([1, 2, 3, 4, 5], 0.5)).toBe(3);
    expect(quantile([1, 2, 3, 4, 5], 1)).toBe(5);
  });

  it('lies between two values where none is at that part', () => {
    expect(quantile([10, 20], 0.25)).toBe(12.5);
  });

  it('of nothing is no number', () => {
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('median', () => {
  it('sorts numbers as numbers, and leaves the list as it is', () => {
    const values = [100, 9, 20];
    expect(median(values)).toBe(20);
    expect(values).toEqual([100, 9, 20]);
  });
});

describe('summarize', () => {
  it('gives the median, and the median distance from it', () => {
    expect(summarize([10, 12, 11, 30, 9])).toEqual({ rounds: 5, median: 11, spread: 1 });
  });

  it('of one round has no spread', () => {
    expect(summarize([7])).toEqual({ rounds: 1, median: 7, spread: 0 });
  });
});

describe('ratiosOf', () => {
  it('divides within each round: a slow round of both changes nothing', () => {
    expect(ratiosOf([100, 10, 50], [200, 20, 100])).toEqual([0.5, 0.5, 0.5]);
  });

  it('leaves out rounds that one of them lacks', () => {
    expect(ratiosOf([100, undefined, 50, 30], [200, 20, undefined, 0])).toEqual([0.5]);
    expect(ratiosOf([100, 90], [50])).toEqual([2]);
  });
});
