import { describe, expect, it } from 'vitest';
import { defineExchange } from '../topology/exchange.js';
import { targetsOf } from './target.js';

const a = defineExchange({ name: 'a' });
const b = defineExchange({ name: 'b' });
const own = [
  [a, 'one'],
  [b, 'two'],
] as const;

describe('targetsOf', () => {
  it('is all own couples when nothing is given', () => {
    expect(targetsOf(own, {}, 'P')).toEqual(own);
  });

  it('is the first exchange with a key that is given alone', () => {
    expect(targetsOf(own, { key: 'k' }, 'P')).toEqual([[a, 'k']]);
    expect(targetsOf(own, { key: '' }, 'P')).toEqual([[a, '']]);
  });

  it('is the given eks, whatever the key', () => {
    expect(targetsOf(own, { eks: [[b, 'x']], key: 'k' }, 'P')).toEqual([[b, 'x']]);
  });

  it('refuses to send nowhere', () => {
    expect(() => targetsOf([], {}, 'EchoProducer')).toThrow(expect.objectContaining({ option: 'eks' }));
    expect(() => targetsOf(own, { eks: [] }, 'EchoProducer')).toThrow(
      'EchoProducer has no (exchange, key) couple',
    );
  });
});
