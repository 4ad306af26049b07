import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { MessageResult } from '../wire/message.js';
import { RpcSuccess, type RpcResult } from '../wire/rpc-result.js';
import { ReplyQueue } from './reply-queue.js';

const reply = (value: number): RpcResult<number> => new RpcSuccess(value, '', new MessageResult(value).body);
const valuesOf = (replies: readonly RpcResult<number>[]): unknown[] => replies.map(({ value }) => value);

/** A queue with replies in it, and how often it was deleted. */
const queueWith = (...values: readonly number[]) => {
  const deleted: string[] = [];
  const queue = new ReplyQueue<number>('replies', () => deleted.push('replies'));
  const push = (...more: readonly number[]): void => more.forEach((value) => queue.push(reply(value)));
  push(...values);
  return { queue, push, deleted };
};

/** Settles what is due at this moment, whatever the clock says. */
const turn = (): Promise<void> => new Promise(setImmediate);
const lost = new Error('the connection is gone');

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe('ReplyQueue.take', () => {
  it('gives as many as were asked for, in the order in which they came, and keeps the others', async () => {
    const { queue } = queueWith(1, 2, 3);
    expect(valuesOf(await queue.take(2, 1_000))).toEqual([1, 2]);
    expect(valuesOf(await queue.take(1, 1_000))).toEqual([3]);
    expect(await queue.take(0, 1_000)).toEqual([]);
    expect([queue.name, vi.getTimerCount()]).toEqual(['replies', 0]);
  });

  it('waits for those that are still to come, and leaves no timer', async () => {
    const { queue, push } = queueWith(1);
    const taken = queue.take(3, 1_000);
    await turn();
    push(2);
    await turn();
    vi.advanceTimersByTime(999);
    push(3, 4);
    expect([valuesOf(await taken), vi.getTimerCount()]).toEqual([[1, 2, 3], 0]);
    expect(valuesOf(await queue.take(1, 0))).toEqual([4]);
  });

  it('gives fewer when its time is over, which is one for all of them', async () => {
    const { queue, push, deleted } = queueWith(1);
    const taken = queue.take(3, 1_000);
    await turn();
    vi.advanceTimersByTime(900);
    push(2);
    await turn();
    vi.advanceTimersByTime(100);
    expect(valuesOf(await taken)).toEqual([1, 2]);
    push(3);
    expect([valuesOf(await queue.take(1, 1_000)), deleted]).toEqual([[3], []]);
  });

  it('gives what is there when there is no time at all', async () => {
    const { queue } = queueWith(1);
    expect(valuesOf(await queue.take(5, 0))).toEqual([1]);
    expect(await queue.take(5, 0)).toEqual([]);
  });

  it('waits without a limit and without a timer', async () => {
    const { queue, push } = queueWith();
    const taken = queue.take(1, Infinity);
    await turn();
    expect(vi.getTimerCount()).toBe(0);
    push(1);
    expect(valuesOf(await taken)).toEqual([1]);
  });

  it.each([Number.MAX_SAFE_INTEGER, 2 ** 33])(
    'sleeps until something comes, also for %d ms',
    async (limitMs) => {
      const set = vi.spyOn(globalThis, 'setTimeout');
      const { queue, push } = queueWith();
      const taken = queue.take(1, limitMs);
      for (let count = 0; count < 100; count += 1) {
        await turn();
        vi.advanceTimersByTime(1);
      }
      expect(set).toHaveBeenCalledOnce();
      push(1);
      expect([valuesOf(await taken), vi.getTimerCount()]).toEqual([[1], 0]);
    },
  );

  it.each<[string, number, number]>([
    ['count', -1, 1_000],
    ['count', 1.5, 1_000],
    ['count', NaN, 1_000],
    ['count', Infinity, 1_000],
    ['timeoutMs', 1, -1],
    ['timeoutMs', 1, NaN],
  ])('refuses a %s that is none: take(%d, %d); what has come stays', async (option, count, timeoutMs) => {
    const { queue } = queueWith(1);
    await expect(queue.take(count, timeoutMs)).rejects.toMatchObject({ code: 'INVALID_OPTION', option });
    expect(valuesOf(await queue.take(1, 0))).toEqual([1]);
  });

  it('gives fewer when the queue is closed meanwhile, and what has come afterwards', async () => {
    const { queue } = queueWith(1, 2);
    expect(valuesOf(await queue.take(1, 1_000))).toEqual([1]);
    queue.close();
    expect(valuesOf(await queue.take(5, 1_000))).toEqual([2]);
    expect([await queue.take(5, 1_000), vi.getTimerCount()]).toEqual([[], 0]);
  });

  it('ends at once when the queue is closed while it waits', async () => {
    const { queue } = queueWith(1);
    const taken = queue.take(5, 1_000);
    await turn();
    queue.close();
    expect([valuesOf(await taken), vi.getTimerCount()]).toEqual([[1], 0]);
  });
});

describe('ReplyQueue.fail', () => {
  it('gives the replies that came before, then fails for everybody who wants more', async () => {
    const { queue, push, deleted } = queueWith(1, 2);
    queue.fail(lost);
    push(3);
    expect(valuesOf(await queue.take(2, 1_000))).toEqual([1, 2]);
    await expect(queue.take(1, 1_000)).rejects.toBe(lost);
    await expect(queue.take(1, 1_000)).rejects.toBe(lost);
    expect(deleted).toEqual(['replies']);
  });

  it('takes nothing away from one who wanted more than there was', async () => {
    const { queue } = queueWith(1, 2, 3);
    queue.fail(lost);
    await expect(queue.take(4, 1_000)).rejects.toBe(lost);
    expect(valuesOf(await queue.take(3, 1_000))).toEqual([1, 2, 3]);
    await expect(queue.take(1, 1_000)).rejects.toBe(lost);
  });

  it('tells one who waits, and puts back what it had', async () => {
    const { queue, push } = queueWith(1);
    const taken = queue.take(5, 1_000);
    await turn();
    push(2);
    await turn();
    queue.fail(lost);
    await expect(taken).rejects.toBe(lost);
    expect([valuesOf(await queue.take(2, 0)), vi.getTimerCount()]).toEqual([[1, 2], 0]);
  });

  it('changes nothing once the queue is closed', async () => {
    const { queue, deleted } = queueWith(1);
    queue.close();
    queue.fail(lost);
    expect(valuesOf(await queue.take(5, 1_000))).toEqual([1]);
    expect([await queue.take(1, 1_000), deleted]).toEqual([[], ['replies']]);
  });

  it('keeps the first of two errors, also one that is undefined', async () => {
    const { queue } = queueWith();
    queue.fail(undefined);
    queue.fail(lost);
    await expect(queue.take(1, 1_000)).rejects.toBeUndefined();
  });
});

describe('ReplyQueue.failed', () => {
  const outcome = (failed: Promise<never>): Promise<unknown> =>
    Promise.race([failed.catch((error: unknown) => error), turn().then(() => 'pending')]);

  it('rejects with what has ended the queue, whenever it is asked for', async () => {
    const { queue } = queueWith(1);
    const { failed } = queue;
    expect(await outcome(failed)).toBe('pending');
    queue.fail(lost);
    expect([await outcome(failed), await outcome(queue.failed)]).toEqual([lost, lost]);
  });

  it('stays pending where the queue was closed', async () => {
    const { queue } = queueWith(1);
    const { failed } = queue;
    queue.close();
    queue.fail(lost);
    expect([await outcome(failed), await outcome(queue.failed)]).toEqual(['pending', 'pending']);
  });
});

describe('ReplyQueue, iterated', () => {
  it('gives every reply until the queue is closed', async () => {
    const { queue, push, deleted } = queueWith(1, 2);
    const values: unknown[] = [];
    for await (const { value } of queue) {
      values.push(value);
      if (value === 2) push(3);
      if (value === 3) queue.close();
    }
    expect([values, deleted]).toEqual([[1, 2, 3], ['replies']]);
  });

  it('closes the queue when the loop is left, by break or by an error', async () => {
    const first = queueWith(1, 2);
    for await (const { value } of first.queue) if (value === 1) break;
    const second = queueWith(1);
    const loop = async (): Promise<void> => {
      for await (const { value } of second.queue) throw new Error(`not ${value}`);
    };
    await expect(loop()).rejects.toThrow('not 1');
    expect([first.deleted, second.deleted]).toEqual([['replies'], ['replies']]);
  });

  it('throws what has ended the queue, behind the replies that came before', async () => {
    const { queue } = queueWith(1, 2);
    queue.fail(lost);
    const values: unknown[] = [];
    const loop = async (): Promise<void> => {
      for await (const { value } of queue) values.push(value);
    };
    await expect(loop()).rejects.toBe(lost);
    expect(values).toEqual([1, 2]);
  });

  it('ends a wait for the next reply with return()', async () => {
    const { queue, deleted } = queueWith();
    const replies = queue[Symbol.asyncIterator]();
    const next = replies.next();
    expect(await replies.return?.()).toEqual({ done: true, value: undefined });
    expect([await next, deleted]).toEqual([{ done: true, value: undefined }, ['replies']]);
  });

  it('shares the replies among several readers: each gets every reply once', async () => {
    const { queue, push } = queueWith();
    const readers = [queue.take(1, Infinity), queue.take(1, Infinity), queue.take(1, Infinity)];
    push(1, 2);
    await turn();
    push(3);
    expect((await Promise.all(readers)).map(valuesOf)).toEqual([[1], [2], [3]]);
  });
});

describe('ReplyQueue.close', () => {
  it('deletes the queue once', () => {
    const { queue, deleted } = queueWith();
    queue.close();
    queue.close();
    queue.fail(lost);
    expect(deleted).toEqual(['replies']);
  });

  it('ends the wait of everybody who reads', async () => {
    const { queue } = queueWith();
    const readers = [queue.take(1, Infinity), queue.take(1, 1_000), queue[Symbol.asyncIterator]().next()];
    await turn();
    queue.close();
    expect(await Promise.all(readers)).toEqual([[], [], { done: true, value: undefined }]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each(['close', 'fail'] as const)('tells those who are to know, once: %s', (how) => {
    const { queue, deleted } = queueWith();
    const told: string[] = [];
    queue.onClosed(() => told.push(`first, after ${deleted.join()}`));
    queue.onClosed(() => told.push('second'));
    expect(told).toEqual([]);
    queue[how](lost);
    queue.close();
    queue.onClosed(() => told.push('late'));
    expect(told).toEqual(['first, after replies', 'second', 'late']);
  });

  it('lets no later reply in', async () => {
    const { queue, push } = queueWith();
    queue.close();
    push(1);
    expect(await queue.take(1, 0)).toEqual([]);
  });
});
