import { describe, expect, it } from 'vitest';
import type { Delivery } from '../connection/port.js';
import { Leftovers } from './leftovers.js';

/** In the middle of a second: AMQP's timestamps have only whole ones. */
const START_MS = 1_700_000_000_500;
const START_SECONDS = 1_700_000_000;

let lastTag = 0;
const deliveryAt = (timestamp?: number): Delivery => {
  lastTag += 1;
  return {
    deliveryTag: lastTag,
    redelivered: false,
    exchange: 'e',
    routingKey: 'k',
    content: Buffer.alloc(0),
    properties: timestamp === undefined ? {} : { timestamp },
  };
};

const watching = (...queues: readonly string[]): Leftovers => {
  const leftovers = new Leftovers(START_MS);
  for (const queue of queues) leftovers.watch(queue);
  return leftovers;
};
const find = (leftovers: Leftovers, queue: string, messageCount: number, consumerCount = 0): void =>
  leftovers.of(queue)?.found({ queue, messageCount, consumerCount }, false);
/** The same consumer comes back. */
const findAgain = (leftovers: Leftovers, queue: string, messageCount: number): void =>
  leftovers.of(queue)?.found({ queue, messageCount, consumerCount: 0 }, true);
/** Delivers messages with these timestamps: which of them are leftovers. */
const deliver = (
  leftovers: Leftovers,
  queue: string,
  ...timestamps: readonly (number | undefined)[]
): boolean[] =>
  timestamps.map((timestamp) => {
    const delivery = deliveryAt(timestamp);
    leftovers.of(queue)?.note(delivery);
    return leftovers.has(delivery);
  });

describe('Leftovers', () => {
  it('counts what waited in a queue that nobody else consumed', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 2);

    expect(deliver(leftovers, 'q', undefined, undefined, undefined, undefined)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('leaves a message of the second of the start to the count', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 3);

    expect(deliver(leftovers, 'q', START_SECONDS, undefined, undefined, undefined)).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('does not count a message twice that comes again', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 4);
    deliver(leftovers, 'q', undefined, undefined);
    // The two have come back to the queue.
    findAgain(leftovers, 'q', 4);
    const again = { ...deliveryAt(), redelivered: true };
    leftovers.of('q')?.note(again);

    expect([leftovers.has(again), ...deliver(leftovers, 'q', undefined, undefined, undefined)]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });

  it('counts what a consumer before us has given back, and never more than what is left', () => {
    const leftovers = watching('q', 'r');
    for (const queue of ['q', 'r']) find(leftovers, queue, 2);
    const again = [deliveryAt(), deliveryAt()].map((delivery) => ({ ...delivery, redelivered: true }));
    for (const delivery of again) leftovers.of('q')?.note(delivery);
    expect([
      ...again.map((delivery) => leftovers.has(delivery)),
      ...deliver(leftovers, 'q', undefined),
    ]).toEqual([true, true, false]);
    // Somebody else has taken them while we were away.
    findAgain(leftovers, 'r', 0);
    expect(deliver(leftovers, 'r', undefined)).toEqual([false]);
  });

  it('counts nothing where nothing waited', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 0);

    expect(deliver(leftovers, 'q', undefined, undefined)).toEqual([false, false]);
  });

  it('counts nothing where somebody else consumed: nobody knows who gets what waited', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 5, 1);

    expect(deliver(leftovers, 'q', undefined, undefined)).toEqual([false, false]);
  });

  it('counts nothing before it is told what waited', () => {
    expect(deliver(watching('q'), 'q', undefined)).toEqual([false]);
  });

  it('knows a message that says that it is older than this process, whatever was counted', () => {
    for (const [messageCount, consumerCount] of [
      [0, 0],
      [5, 1],
    ] as const) {
      const leftovers = watching('q');
      find(leftovers, 'q', messageCount, consumerCount);
      expect(deliver(leftovers, 'q', START_SECONDS - 1, 0, undefined)).toEqual([true, true, false]);
    }
  });

  it('takes no message for a leftover that was sent in the second of the start, or later, where nothing waited', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 0);

    expect(deliver(leftovers, 'q', START_SECONDS, START_SECONDS + 1, START_SECONDS * 2)).toEqual([
      false,
      false,
      false,
    ]);
  });

  it('ends the count with the first younger message: all older ones are through', () => {
    for (const timestamp of [START_SECONDS + 1, START_SECONDS + 60]) {
      const leftovers = watching('q');
      find(leftovers, 'q', 5);
      expect(deliver(leftovers, 'q', undefined, timestamp, undefined, undefined)).toEqual([
        true,
        false,
        false,
        false,
      ]);
    }
  });

  it('knows an old message even after the count has ended', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 5);

    expect(deliver(leftovers, 'q', START_SECONDS + 1, START_SECONDS - 1, undefined)).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('counts messages that say that they are old among those that waited', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 2);

    expect(deliver(leftovers, 'q', START_SECONDS - 1, undefined, undefined)).toEqual([true, true, false]);
  });

  it('does not fall behind zero: what is found later is counted in full', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 1);
    deliver(leftovers, 'q', undefined, undefined, undefined);
    find(leftovers, 'q', 2);

    expect(deliver(leftovers, 'q', undefined, undefined, undefined)).toEqual([true, true, false]);
  });

  it('counts each queue for itself', () => {
    const leftovers = watching('q', 'r');
    find(leftovers, 'q', 1);
    find(leftovers, 'r', 2);

    expect(deliver(leftovers, 'q', undefined, undefined)).toEqual([true, false]);
    expect(deliver(leftovers, 'r', undefined, undefined, undefined)).toEqual([true, true, false]);
  });

  it('remembers a leftover for as long as it is handled, and each delivery by itself', () => {
    const leftovers = watching('q');
    find(leftovers, 'q', 1);
    const [old, young] = [deliveryAt(), deliveryAt()];
    leftovers.of('q')?.note(old);
    leftovers.of('q')?.note(young);

    expect([leftovers.has(old), leftovers.has(young)]).toEqual([true, false]);
    expect(leftovers.has({ ...old })).toBe(false);
  });

  it('watches no queue that it is not told to', () => {
    const leftovers = watching('q');

    expect(leftovers.of('r')).toBeUndefined();
    expect(leftovers.has(deliveryAt(START_SECONDS - 1))).toBe(false);
  });

  it('goes on counting when it is told twice to watch a queue', () => {
    const leftovers = watching('q');
    const first = leftovers.of('q');
    find(leftovers, 'q', 2);
    leftovers.watch('q');

    expect(leftovers.of('q')).toBe(first);
    expect(deliver(leftovers, 'q', undefined, undefined, undefined)).toEqual([true, true, false]);
  });

  it('takes the beginning of this process for the start when it is not told one', () => {
    const startSeconds = Math.floor((Date.now() - performance.now()) / 1_000);
    const leftovers = new Leftovers();
    leftovers.watch('q');

    expect(deliver(leftovers, 'q', startSeconds - 2, startSeconds + 2)).toEqual([true, false]);
  });
});
