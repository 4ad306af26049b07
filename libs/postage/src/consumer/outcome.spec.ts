import { describe, expect, it } from 'vitest';
import { settlementOf } from './outcome.js';

describe('settlementOf', () => {
  it('acks what every handler handled or filtered, and rejects what any of them failed at', () => {
    expect(settlementOf([])).toBe('ack');
    expect(settlementOf(['handled', 'filtered'])).toBe('ack');
    expect(settlementOf(['handled', 'failed', 'filtered'])).toBe('reject');
  });
});
