import { describe, expect, it } from 'vitest';
import { settlementOf, type Fate } from './outcome.js';

const fates = (...all: readonly Fate['next'][]): readonly Fate[] => all.map((next) => ({ next }));

describe('settlementOf', () => {
  it('acks what is copied for everybody who is to have it, and what nobody is to have', () => {
    expect(settlementOf([])).toBe('ack');
    expect(settlementOf(fates('retry', 'dead-letter', 'retry'))).toBe('ack');
  });

  it('rejects what is left to the broker for one of several', () => {
    expect(settlementOf(fates('retry', 'reject', 'dead-letter'))).toBe('reject');
  });

  it('gives it back as a whole where one of several wants that', () => {
    expect(settlementOf(fates('reject', 'requeue', 'retry'))).toBe('requeue');
  });
});
