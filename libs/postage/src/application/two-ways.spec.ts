import { describe, expect, it } from 'vitest';
import type { Delivery } from '../connection/port.js';
import { TwoWays } from './two-ways.js';

const copyOf = (text: string, messageId?: string, routingKey = 'k'): Delivery => ({
  deliveryTag: 1,
  redelivered: false,
  exchange: 'e',
  routingKey,
  content: Buffer.from(text),
  properties: messageId === undefined ? {} : { messageId },
});
const a = copyOf('x', 'a');

describe('TwoWays', () => {
  it('takes what comes by the feed first, and not the copy in the queue, however late', () => {
    const ways = new TwoWays();
    expect([ways.byFeed(a), ways.byQueue(a, false), ways.size]).toEqual([true, false, 0]);
    expect([ways.byFeed(a), ways.byQueue(a, true), ways.size]).toEqual([true, false, 0]);
  });

  it('takes what comes by the queue first while the feed is not sure to get it, and not its copy', () => {
    const ways = new TwoWays();
    expect([ways.byQueue(a, false), ways.byFeed(a), ways.size]).toEqual([true, false, 0]);
  });

  it('leaves what comes by the queue first to a feed that is sure to get it', () => {
    const ways = new TwoWays();
    expect([ways.byQueue(a, true), ways.byFeed(a), ways.size]).toEqual([false, true, 0]);
  });

  it('takes by the queue what never comes by the feed', () => {
    const ways = new TwoWays();
    expect(ways.byQueue(a, false)).toBe(true);
    ways.forgetQueue();
    expect(ways.size).toBe(0);
    // The same once more, now by both.
    expect([ways.byFeed(a), ways.byQueue(a, true)]).toEqual([true, false]);
  });

  it('takes what comes again by the queue, and expects no copy of it', () => {
    const ways = new TwoWays();
    const again = { ...a, redelivered: true };
    expect([ways.byQueue(again, true), ways.byQueue(again, false), ways.size]).toEqual([true, true, 0]);
    ways.byFeed(a);
    expect(ways.byQueue(again, true)).toBe(false);
  });

  it('remembers what the feed has brought when it forgets the queue', () => {
    const ways = new TwoWays();
    ways.byFeed(a);
    ways.byQueue(copyOf('x', 'b'), true);
    ways.forgetQueue();
    expect([ways.size, ways.byQueue(a, false)]).toEqual([1, false]);
  });

  it('tells messages without ids apart by their bytes and keys, and counts those that are alike', () => {
    const ways = new TwoWays();
    const all = [copyOf('x'), copyOf('x'), copyOf('y'), copyOf('x', undefined, 'l')];
    expect(all.map((copy) => ways.byFeed(copy))).toEqual([true, true, true, true]);
    expect([...all, copyOf('x')].map((copy) => ways.byQueue(copy, false))).toEqual([
      ...[false, false, false, false],
      true,
    ]);
  });

  it('keeps no more than ten thousand', () => {
    const ways = new TwoWays();
    for (let id = 0; id <= 10_000; id += 1) ways.byFeed(copyOf('x', String(id)));
    expect(ways.size).toBe(10_000);
    const isTaken = ['1', '10000', '0'].map((id) => ways.byQueue(copyOf('x', id), false));
    expect(isTaken).toEqual([false, false, true]);
  });
});
