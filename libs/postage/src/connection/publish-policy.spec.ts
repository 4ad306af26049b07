import { describe, expect, it } from 'vitest';
import { PublishBuffer } from './publish-buffer.js';
import { resolvePublishing, type PublishingOptions } from './publish-policy.js';

describe('resolvePublishing', () => {
  it('waits, with limits, when nothing is said', () => {
    expect(resolvePublishing()).toEqual({
      offline: 'wait',
      maxWaiting: 250_000,
      maxWaitingBytes: 134_217_728,
      maxWaitingMs: 2_147_483_647,
    });
  });

  it.each([
    ['publishing.offline', { offline: 'drop' }],
    ['publishing.maxWaiting', { maxWaiting: 0 }],
    ['publishing.maxWaitingBytes', { maxWaitingBytes: -1 }],
    ['publishing.maxWaitingMs', { maxWaitingMs: Number.NaN }],
    ['publishing.buffer', { buffer: true }],
  ])('refuses what is no %s', (option, given) => {
    expect(() => resolvePublishing(given as PublishingOptions)).toThrow(expect.objectContaining({ option }));
  });
});

describe('PublishBuffer', () => {
  const buffer = new PublishBuffer(resolvePublishing({ maxWaiting: 3, maxWaitingBytes: 100 }));

  it('has room up to a count and a size, and again for what has left', () => {
    expect(buffer.hasRoomFor(1_000)).toBe(true);
    buffer.add(60);
    expect([buffer.hasRoomFor(40), buffer.hasRoomFor(41)]).toEqual([true, false]);
    buffer.add(20);
    buffer.add(20);
    expect(buffer.hasRoomFor(0)).toBe(false);
    buffer.remove(60);
    expect([buffer.count, buffer.bytes, buffer.hasRoomFor(60)]).toEqual([2, 40, true]);
  });
});
