import { describe, expect, it } from 'vitest';
import { compare } from './check.js';
import { summarize } from './statistics.js';

const KEY = 'rpc-1-100b rate postage/bare';

/** Whether rounds of now are a loss against rounds of before. */
const isLoss = (before: readonly number[], now: readonly number[]): boolean | undefined =>
  compare({ [KEY]: summarize(before) }, { [KEY]: summarize(now) })[0]?.isLoss;

const STEADY = [0.9, 0.91, 0.89, 0.9, 0.9];

describe('compare', () => {
  it('finds a loss that is clearly more than the noise', () => {
    expect(isLoss(STEADY, [0.6, 0.61, 0.59, 0.6, 0.62])).toBe(true);
  });

  it('lets a difference pass that the rounds of this run show among themselves', () => {
    expect(isLoss(STEADY, [0.6, 0.8, 0.95, 0.75, 1.1])).toBe(false);
  });

  it('lets a difference pass that the rounds of the stored run have shown', () => {
    expect(isLoss([0.6, 0.8, 0.95, 0.75, 1.1], [0.6, 0.61, 0.59, 0.6, 0.62])).toBe(false);
  });

  it('lets a tenth pass, however well the rounds agree', () => {
    expect(isLoss([1, 1, 1], [0.91, 0.91, 0.91])).toBe(false);
    expect(isLoss([1, 1, 1], [0.89, 0.89, 0.89])).toBe(true);
  });

  it('never calls a gain a loss', () => {
    expect(isLoss(STEADY, [3, 3, 3, 3, 3])).toBe(false);
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
