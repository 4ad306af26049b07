import { describe, expect, it } from 'vitest';
import { orderOf } from './rounds.js';

describe('orderOf', () => {
  it('lets another one begin in each round', () => {
    const orders = [0, 1, 2, 3].map((round) => orderOf(['A', 'B', 'C'], round).join(' '));
    expect(orders).toEqual(['A B C', 'B C A', 'C A B', 'A B C']);
  });

  it('is the same for one, and for none', () => {
    expect(orderOf(['A'], 7)).toEqual(['A']);
    expect(orderOf([], 7)).toEqual([]);
  });
});
