import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { deferred } from '../connection/deferred.js';
import type { Delivery } from '../connection/port.js';
import type { ReplyAddress, ReplyListener } from './reply-address.js';
import { SharedReplies } from './shared-replies.js';

const reply = (correlationId: string | undefined): Delivery => ({
  deliveryTag: 1,
  redelivered: false,
  exchange: '',
  routingKey: 'queue',
  content: Buffer.alloc(0),
  properties: correlationId === undefined ? {} : { correlationId },
});

/** A pool with one address, or none, and what is told of it. */
const start = ({ isEmpty = false } = {}) => {
  const told: string[] = [];
  const queue: ReplyAddress = {
    name: 'queue',
    listener: undefined,
    release: () => {
      queue.listener = undefined;
      resting.push(queue);
      told.push('released');
    },
  };
  const resting = isEmpty ? [] : [queue];
  const asked: { signal: AbortSignal; resolve(address: ReplyAddress): void; reject(error: Error): void }[] =
    [];
  const replies = new SharedReplies({
    pool: {
      tryTake: () => resting.pop(),
      take: (signal) => {
        const { promise, resolve, reject } = deferred<ReplyAddress>();
        asked.push({ signal, resolve, reject });
        return promise;
      },
    },
    onLate: (_, { properties }) => told.push(`late: ${properties.correlationId ?? 'no id'}`),
    onAmbiguous: ({ name }) => told.push(`ambiguous at ${name}`),
    onRefused: (error) => told.push(`refused: ${(error as Error).message}`),
  });
  const listening = (id: string) => {
    const address = replies.tryTake(id);
    if (!address) throw new Error('there is no address');
    const listener = {
      isInQuestion: true as boolean,
      onReply: (_, { properties }) => told.push(`${id} has ${properties.correlationId ?? 'one without'}`),
      onLost: (error) => told.push(`${id} lost: ${error.message}`),
      onAmbiguous: (isAlone) => told.push(`${id} in doubt${isAlone ? ', alone' : ''}`),
    } satisfies ReplyListener;
    address.listener = listener;
    return Object.assign(address, { listener });
  };
  const arrive = (id: string | undefined): void => queue.listener?.onReply(queue, reply(id));
  return { replies, queue, told, asked, listening, arrive };
};

const settle = async (): Promise<void> => {
  for (let n = 0; n < 10; n += 1) await Promise.resolve();
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('SharedReplies', () => {
  it('gives every call the same name, and each its own reply', () => {
    const { listening, arrive, told } = start();
    const [one, two] = [listening('one'), listening('two')];
    expect([one.name, two.name]).toEqual(['queue', 'queue']);
    arrive('two');
    arrive('one');
    arrive('one');
    expect(told).toEqual(['two has two', 'one has one', 'one has one']);
  });

  it('tells of a reply to nobody who waits', () => {
    const { listening, arrive, told } = start();
    const [one] = [listening('one'), listening('two')];
    one.release();
    arrive('one');
    arrive('three');
    expect(told).toEqual(['late: one', 'late: three']);
  });

  it.for([undefined, ''])('believes no reply without an id (%o): all who wait are in doubt', (id) => {
    const { listening, arrive, told } = start();
    const one = listening('one');
    listening('two');
    arrive(id);
    one.listener.isInQuestion = false;
    arrive(id);
    expect(told).toEqual([
      'one in doubt',
      'two in doubt',
      'ambiguous at queue',
      'two in doubt, alone',
      'ambiguous at queue',
    ]);
  });

  it('takes a reply without an id for a late one where no call is in question', () => {
    const { listening, arrive, told } = start();
    listening('one').listener.isInQuestion = false;
    arrive(undefined);
    expect(told).toEqual(['late: no id']);
  });

  it('holds its address while calls use it, and gives it back once', () => {
    const { listening, queue, told } = start();
    const [one, two] = [listening('one'), listening('two')];
    one.release();
    one.release();
    expect([told, queue.listener]).toEqual([[], expect.anything()]);
    two.release();
    two.release();
    expect([told, queue.listener]).toEqual([['released'], undefined]);
    listening('three');
    expect(queue.listener).toBeDefined();
  });

  it('tells all who wait that the address is lost, and takes another for the next one', () => {
    const { replies, listening, queue, told, asked } = start();
    const [one] = [listening('one'), listening('two')];
    queue.listener?.onLost(new Error('gone'));
    one.release();
    expect(told).toEqual(['one lost: gone', 'two lost: gone']);
    expect([replies.tryTake('three'), asked.length]).toEqual([undefined, 1]);
  });

  it('holds no address for calls that have lost theirs and are not over', async () => {
    const { replies, listening, queue, told, asked } = start();
    listening('one');
    queue.listener?.onLost(new Error('gone'));
    replies.tryTake('two');
    asked[0]?.resolve(queue);
    await settle();
    listening('three').release();
    expect(told).toEqual(['one lost: gone', 'released', 'released']);
  });

  it('lets nobody wait: an address is made meanwhile, one at a time', async () => {
    const { replies, listening, queue, told, asked } = start({ isEmpty: true });
    const patience = vi.spyOn(AbortSignal, 'timeout');
    onTestFinished(() => patience.mockRestore());
    expect([replies.tryTake('one'), replies.tryTake('two'), asked.length]).toEqual([undefined, undefined, 1]);
    expect(asked[0]?.signal).toBe(patience.mock.results[0]?.value);
    asked[0]?.resolve(queue);
    await settle();
    expect(told).toEqual(['released']);
    expect([listening('three').name, asked.length]).toEqual(['queue', 1]);
  });

  it('asks again ten seconds after there was none', async () => {
    const { replies, told, asked } = start({ isEmpty: true });
    replies.tryTake('one');
    asked[0]?.reject(new Error('no right to'));
    await settle();
    replies.tryTake('two');
    vi.advanceTimersByTime(9_999);
    replies.tryTake('three');
    expect([told, asked.length]).toEqual([['refused: no right to'], 1]);
    vi.advanceTimersByTime(1);
    replies.tryTake('four');
    expect(asked.length).toBe(2);
  });
});
