import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AckBatch } from './ack-batch.js';
import type { Settlement } from './outcome.js';

/** A channel as RabbitMQ keeps it: every tag is settled once, and one that it does not wait for ends it. */
class BrokerChannel {
  isOpen = true;
  frames = 0;
  readonly unacked = new Set<number>();
  readonly settled = new Map<number, Settlement>();
  #lastTag = 0;

  deliver(): number {
    this.#lastTag += 1;
    this.unacked.add(this.#lastTag);
    return this.#lastTag;
  }

  ack(deliveryTag: number, multiple: boolean): void {
    this.frames += 1;
    this.#take(deliveryTag, 'ack');
    if (multiple) for (const tag of [...this.unacked]) if (tag < deliveryTag) this.#take(tag, 'ack');
  }

  reject(deliveryTag: number, requeue: boolean): void {
    this.frames += 1;
    this.#take(deliveryTag, requeue ? 'requeue' : 'reject');
  }

  #take(tag: number, settlement: Settlement): void {
    if (!this.isOpen) throw new Error(`wrote to a closed channel: ${tag}`);
    if (!this.unacked.delete(tag)) throw new Error(`PRECONDITION_FAILED - unknown delivery tag ${tag}`);
    this.settled.set(tag, settlement);
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** No ack waits longer. */
const DELAY_MS = 5;

/** With a prefetch that is so small that acks wait for the end of the turn only. */
const start = (prefetch = 4) => {
  const channel = new BrokerChannel();
  const turns: (() => void)[] = [];
  const batch = new AckBatch({ channel, prefetch, atEndOfTurn: (flush) => void turns.push(flush) });
  return {
    channel,
    batch,
    deliver: (): number => {
      const tag = channel.deliver();
      batch.delivered(tag);
      return tag;
    },
    endTurn: (): void => turns.splice(0).forEach((flush) => flush()),
    turns,
  };
};

const pass = (ms: number): unknown => vi.advanceTimersByTime(ms);

const SETTLEMENTS = ['ack', 'reject', 'requeue'] as const;

describe('AckBatch', () => {
  it('sends the acks of one turn as one', () => {
    const { channel, batch, deliver, endTurn } = start();
    const tags = [deliver(), deliver(), deliver()];
    for (const tag of tags.toReversed()) batch.settle(tag, 'ack');
    expect(channel.frames).toBe(0);
    endTurn();
    expect([channel.frames, channel.settled.size, channel.unacked.size]).toEqual([1, 3, 0]);
  });

  it('lets no ack wait for a delivery that is still being handled, and covers none', () => {
    const { channel, batch, deliver, endTurn } = start();
    const slow = deliver();
    for (const tag of [deliver(), deliver()]) batch.settle(tag, 'ack');
    endTurn();
    expect([...channel.unacked]).toEqual([slow]);
    batch.settle(slow, 'requeue');
    endTurn();
    expect([channel.frames, channel.settled.get(slow)]).toEqual([3, 'requeue']);
  });

  it('settles what is settled in a later turn in a later one', () => {
    const { channel, batch, deliver, endTurn, turns } = start();
    batch.settle(deliver(), 'ack');
    endTurn();
    expect(turns).toEqual([]);
    batch.settle(deliver(), 'ack');
    expect([channel.frames, turns.length]).toEqual([1, 1]);
    endTurn();
    expect([channel.frames, channel.unacked.size]).toEqual([2, 0]);
  });

  it('flushes at once when it is told to', () => {
    const { channel, batch, deliver, endTurn } = start();
    batch.settle(deliver(), 'ack');
    batch.flush();
    expect(channel.frames).toBe(1);
    endTurn();
    expect(channel.frames).toBe(1);
  });

  it('writes nothing to a channel that is gone, and nothing twice', () => {
    const { channel, batch, deliver, endTurn } = start();
    const [one, two] = [deliver(), deliver()];
    batch.settle(one, 'ack');
    batch.settle(one, 'ack');
    channel.isOpen = false;
    batch.settle(two, 'reject');
    endTurn();
    expect(channel.frames).toBe(0);
  });

  it('lets acks wait for further ones, but not longer than some milliseconds', () => {
    const { channel, batch, deliver, turns } = start(100);
    batch.settle(deliver(), 'ack');
    pass(DELAY_MS - 1);
    batch.settle(deliver(), 'ack');
    expect([channel.frames, turns.length]).toEqual([0, 0]);
    pass(1);
    expect([channel.frames, channel.unacked.size]).toEqual([1, 0]);
    batch.settle(deliver(), 'ack');
    pass(DELAY_MS - 1);
    expect(channel.frames).toBe(1);
    pass(1);
    expect([channel.frames, channel.unacked.size]).toEqual([2, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    [1, 1],
    [4, 1],
    [8, 2],
    [100, 25],
    [10_000, 64],
  ])('lets no more wait than the broker can do without: of a prefetch of %i, %i', (prefetch, enough) => {
    const { channel, batch, deliver, endTurn, turns } = start(prefetch);
    for (let count = 1; count < enough; count += 1) batch.settle(deliver(), 'ack');
    expect(turns).toEqual([]);
    batch.settle(deliver(), 'ack');
    endTurn();
    expect([channel.frames, channel.unacked.size]).toEqual([1, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets none wait where running handlers leave the broker nothing to hand out', () => {
    const { channel, batch, deliver, endTurn, turns } = start(32);
    for (let running = 1; running <= 29; running += 1) deliver();
    batch.settle(deliver(), 'ack');
    batch.settle(deliver(), 'ack');
    expect(turns).toEqual([]);
    batch.settle(deliver(), 'ack');
    endTurn();
    expect([channel.frames, channel.unacked.size]).toEqual([3, 29]);
  });

  it('leaves no timer behind when it is flushed before the channel is closed', () => {
    const { batch, deliver } = start(100);
    batch.settle(deliver(), 'ack');
    batch.flush();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('settles every delivery exactly once, as it was said, and none before', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.constant('deliver' as const) },
      { weight: 4, arbitrary: fc.record({ pick: fc.nat(), as: fc.constantFrom(...SETTLEMENTS) }) },
      { weight: 2, arbitrary: fc.constant('end of turn' as const) },
      { weight: 1, arbitrary: fc.constant('time' as const) },
    );
    const prefetches = fc.constantFrom(1, 8, 40, 1_000);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), prefetches, (steps, prefetch) => {
        const { channel, batch, deliver, endTurn } = start(prefetch);
        const running: number[] = [];
        const wanted = new Map<number, Settlement>();
        const settleOne = (pick: number, as: Settlement): void => {
          const [tag] = running.splice(pick % running.length, 1);
          if (tag === undefined) return;
          wanted.set(tag, as);
          batch.settle(tag, as);
        };
        for (const each of steps) {
          if (each === 'deliver') running.push(deliver());
          else if (each === 'end of turn') endTurn();
          else if (each === 'time') pass(DELAY_MS);
          else if (running.length > 0) settleOne(each.pick, each.as);
          // Whatever the broker has been told so far, somebody has said.
          for (const [tag, settlement] of channel.settled) expect(settlement).toBe(wanted.get(tag));
        }
        while (running.length > 0) settleOne(0, 'ack');
        endTurn();
        pass(DELAY_MS);
        expect(channel.unacked.size).toBe(0);
        expect([...channel.settled].toSorted(([a], [b]) => a - b)).toEqual(
          [...wanted].toSorted(([a], [b]) => a - b),
        );
      }),
      { numRuns: 1_000 },
    );
  });
});
