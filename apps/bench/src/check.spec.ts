import { describe, expect, it } from 'vitest';
import { compare, type Verdict } from './check.js';
import { summarize } from './statistics.js';

const KEY = 'rpc-1-100b rate postage/bare';

/** What rounds of now are against rounds of before. */
const verdict = (before: readonly number[], now: readonly number[]): Verdict | undefined =>
  compare({ [KEY]: summarize(before) }, { [KEY]: summarize(now) })[0]?.verdict;

const STEADY = [0.9, 0.91, 0.89, 0.9, 0.9];

describe('compare', () => {
  it('finds a loss that is clearly more than the noise', () => {
    expect(verdict(STEADY, [0.6, 0.61, 0.59, 0.6, 0.62])).toBe('loss');
  });

  it('lets a difference pass that the rounds of this run show among themselves', () => {
    expect(verdict(STEADY, [0.6, 0.8, 0.95, 0.75, 1.1])).toBe('noisy');
  });

  it('lets a difference pass that the rounds of the stored run have shown', () => {
    expect(verdict([0.6, 0.8, 0.95, 0.75, 1.1], [0.6, 0.61, 0.59, 0.6, 0.62])).toBe('noisy');
  });

  it('lets a tenth pass, however well the rounds agree', () => {
    expect(verdict([1, 1, 1], [0.91, 0.91, 0.91])).toBe('fine');
    expect(verdict([1, 1, 1], [0.89, 0.89, 0.89])).toBe('loss');
  });

  it('never calls a gain a loss', () => {
    expect(verdict(STEADY, [3, 3, 3, 3, 3])).toBe('fine');
  });

  it('compares what both have', () => {
    const summary = summarize(STEADY);
    const comparisons = compare({ [KEY]: summary, gone: summary }, { [KEY]: summary, added: summary });
    expect(comparisons.map(({ key }) => key)).toEqual([KEY]);
  });

  it('says how far a ratio may fall', () => {
    const [comparison] = compare({ [KEY]: summarize([2, 2, 2]) }, { [KEY]: summarize([2, 2, 2]) });
    expect(comparison?.allowed).toBeCloseTo(0.2);
  });
});
