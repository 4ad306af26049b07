import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { deferred } from '../connection/deferred.js';
import { MessageResult } from '../wire/message.js';
import { RpcSuccess, type RpcResult } from '../wire/rpc-result.js';
import { checkGatherOptions, Gathering, type GatheringOptions, type GatherOptions } from './gathering.js';
import { ReplyQueue } from './reply-queue.js';

type Reply = RpcResult<number>;

const reply = (value: number): Reply => new RpcSuccess(value, '', new MessageResult(value).body);
const DONE = { done: true, value: undefined };
const turn = (): Promise<void> => new Promise(setImmediate);

/** A gathering from a queue that the test fills; `log` tells when it was opened and deleted. */
const gather = (options: GatheringOptions<number> = {}, ...values: readonly number[]) => {
  const log: string[] = [];
  const queue = new ReplyQueue<number>('replies', () => log.push('deleted'));
  for (const value of values) queue.push(reply(value));
  const opened = deferred<ReplyQueue<number>>();
  const signals: AbortSignal[] = [];
  const gathering = new Gathering<number>((signal) => {
    log.push('opened');
    signals.push(signal);
    return opened.promise;
  }, options);
  /** Gives the queue to the gathering, as the broker's confirm does. */
  const confirm = (): void => opened.resolve(queue);
  return { gathering, queue, log, confirm, refuse: opened.reject, signals };
};

const valuesOf = async (replies: AsyncIterable<Reply>): Promise<unknown[]> => {
  const values: unknown[] = [];
  for await (const { value } of replies) values.push(value);
  return values;
};

describe('checkGatherOptions', () => {
  it('takes what is documented, all of it or nothing', () => {
    const all: readonly GatherOptions[] = [
      {},
      { count: undefined, timeoutMs: undefined, until: undefined },
      { count: 1, timeoutMs: 1, until: () => true },
      { count: Number.MAX_SAFE_INTEGER, timeoutMs: 2 ** 31 - 1 },
    ];
    for (const options of all) expect(() => checkGatherOptions(options)).not.toThrow();
  });

  it.for<[object, string]>([
    [{ count: 0 }, 'count'],
    [{ count: -1 }, 'count'],
    [{ count: 1.5 }, 'count'],
    [{ count: NaN }, 'count'],
    [{ count: Infinity }, 'count'],
    [{ count: '3' }, 'count'],
    [{ count: null }, 'count'],
    [{ timeoutMs: 0 }, 'timeoutMs'],
    [{ timeoutMs: Infinity }, 'timeoutMs'],
    [{ timeoutMs: 2 ** 31 }, 'timeoutMs'],
    [{ timeoutMs: null }, 'timeoutMs'],
    [{ until: true }, 'until'],
    [{ until: null }, 'until'],
    [{ timeout: 500 }, 'timeout'],
    [{ count: 1, maxRetry: 1 }, 'maxRetry'],
  ])('refuses %o, naming %s', ([options, option]) => {
    expect(() => checkGatherOptions(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', option }),
    );
  });
});

describe('Gathering', () => {
  it('sends when the first reply is asked for, and once', async () => {
    const { gathering, log, confirm } = gather({}, 1, 2);
    expect(gathering[Symbol.asyncIterator]()).toBe(gathering);
    await turn();
    expect(log).toEqual([]);
    const first = gathering.next();
    expect(log).toEqual(['opened']);
    confirm();
    expect(await first).toMatchObject({ done: false, value: { value: 1 } });
    expect(await gathering.next()).toMatchObject({ value: { value: 2 } });
    expect(log).toEqual(['opened']);
  });

  it('ends after `count` replies, and cleans up with the last one', async () => {
    const { gathering, log, confirm } = gather({ count: 2 }, 1, 2, 3);
    confirm();
    await gathering.next();
    expect(log).toEqual(['opened']);
    expect(await gathering.next()).toMatchObject({ done: false, value: { value: 2 } });
    expect(log).toEqual(['opened', 'deleted']);
    expect([await gathering.next(), await gathering.next()]).toEqual([DONE, DONE]);
  });

  it('ends with the reply for which `until` is true, and still gives it', async () => {
    const asked: unknown[] = [];
    const until = ({ value }: Reply): boolean => {
      asked.push(value);
      return value === 2;
    };
    const { gathering, log, confirm } = gather({ until }, 1, 2, 3);
    confirm();
    expect(await valuesOf(gathering)).toEqual([1, 2]);
    expect([asked, log]).toEqual([
      [1, 2],
      ['opened', 'deleted'],
    ]);
  });

  it('ends when its queue is closed, as it is when the time is over', async () => {
    const { gathering, queue, log, confirm } = gather({}, 1);
    confirm();
    const values = valuesOf(gathering);
    await turn();
    queue.push(reply(2));
    await turn();
    queue.close();
    expect([await values, log]).toEqual([
      [1, 2],
      ['opened', 'deleted'],
    ]);
  });

  it('cleans up when the loop is left', async () => {
    const { gathering, log, confirm } = gather({}, 1, 2);
    confirm();
    for await (const { value } of gathering) if (value === 1) break;
    await turn();
    expect([log, await gathering.next()]).toEqual([['opened', 'deleted'], DONE]);
  });

  it('never sends when it is left before it began', async () => {
    const { gathering, log } = gather({}, 1);
    expect(await gathering.return()).toEqual(DONE);
    expect([await gathering.next(), log]).toEqual([DONE, []]);
  });

  it('is ended by return() while somebody waits for the next reply', async () => {
    const { gathering, queue, log, confirm } = gather();
    confirm();
    const waiting = gathering.next();
    await turn();
    expect(await gathering.return()).toEqual(DONE);
    expect(await waiting).toEqual(DONE);
    queue.push(reply(1));
    expect([await gathering.next(), log]).toEqual([DONE, ['opened', 'deleted']]);
  });

  it('gives no reply after return(), also when one has come in that moment', async () => {
    const { gathering, queue, confirm } = gather();
    confirm();
    const waiting = gathering.next();
    await turn();
    queue.push(reply(1));
    void gathering.return();
    expect(await waiting).toEqual(DONE);
  });

  it('deletes the queue that comes after return()', async () => {
    const { gathering, log, confirm } = gather({}, 1);
    const waiting = gathering.next();
    await gathering.return();
    confirm();
    expect(await waiting).toEqual(DONE);
    expect(log).toEqual(['opened', 'deleted']);
  });

  it('gives each reply to one of several who wait, and no more than `count`', async () => {
    const { gathering, queue, log, confirm } = gather({ count: 2 });
    confirm();
    const waiting = [gathering.next(), gathering.next(), gathering.next()];
    await turn();
    for (const value of [1, 2, 3]) queue.push(reply(value));
    const results = await Promise.all(waiting);
    expect(results.map(({ value }) => value?.value)).toEqual([1, 2, undefined]);
    expect(log).toEqual(['opened', 'deleted']);
  });
});

describe('Gathering, by signals', () => {
  it('tells whoever opens the queue when nobody wants it any more', async () => {
    const { gathering, signals, refuse } = gather();
    const waiting = gathering.next();
    expect(signals[0]?.aborted).toBe(false);
    await gathering.return();
    expect(signals[0]?.aborted).toBe(true);
    refuse(new Error('aborted'));
    expect(await waiting).toEqual(DONE);
  });

  it('tells it, too, when the signal of the call aborts, with its reason', async () => {
    const stop = new AbortController();
    const { gathering, signals, refuse } = gather({ signal: stop.signal });
    const waiting = gathering.next();
    stop.abort('the user left');
    expect([signals[0]?.aborted, signals[0]?.reason]).toEqual([true, 'the user left']);
    const error = new Error('aborted');
    refuse(error);
    await expect(waiting).rejects.toBe(error);
  });

  it('listens to the signal of the call from the first question to the end', async () => {
    const stop = new AbortController();
    const listeners = (): number => getEventListeners(stop.signal, 'abort').length;
    const { gathering, confirm } = gather({ signal: stop.signal, count: 1 }, 1);
    expect(listeners()).toBe(0);
    const waiting = gathering.next();
    expect(listeners()).toBe(1);
    confirm();
    await waiting;
    expect(listeners()).toBe(0);
  });
});

describe('Gathering, at the signal of the call', () => {
  const listening = (...values: readonly number[]) => {
    const stop = new AbortController();
    const { queue, confirm, refuse, gathering } = gather({ signal: stop.signal }, ...values);
    const listeners = (): number => getEventListeners(stop.signal, 'abort').length;
    return { gathering, queue, confirm, refuse, listeners };
  };

  it('leaves no listener once its time is over, also when nobody asks again', async () => {
    const { gathering, queue, confirm, listeners } = listening(1);
    confirm();
    await gathering.next();
    expect(listeners()).toBe(1);
    // What the timer of the sender does; whoever has its reply by then does not ask again.
    queue.close();
    expect(listeners()).toBe(0);
  });

  it('leaves no listener when the queue is lost, or can not be opened, and nobody asks again', async () => {
    const lost = listening(1);
    lost.confirm();
    await lost.gathering.next();
    lost.queue.fail(new Error('the connection is gone'));
    expect(lost.listeners()).toBe(0);
    const refused = listening();
    refused.refuse(new Error('unroutable'));
    await expect(refused.gathering.next()).rejects.toThrow('unroutable');
    expect(refused.listeners()).toBe(0);
  });
});

describe('Gathering, when something fails', () => {
  it('throws why it could not be sent, and has ended', async () => {
    const { gathering, log, refuse } = gather();
    const error = new Error('unroutable');
    refuse(error);
    await expect(gathering.next()).rejects.toBe(error);
    expect([await gathering.next(), log]).toEqual([DONE, ['opened']]);
  });

  it('is quiet about a failure after return()', async () => {
    const { gathering, refuse } = gather();
    const waiting = gathering.next();
    await gathering.return();
    refuse(new Error('unroutable'));
    expect(await waiting).toEqual(DONE);
  });

  it('throws that no more can come behind the replies that have come, and cleans up', async () => {
    const { gathering, queue, log, confirm } = gather({}, 1, 2);
    confirm();
    const error = new Error('the connection is gone');
    const values: unknown[] = [];
    const loop = async (): Promise<void> => {
      for await (const { value } of gathering) {
        values.push(value);
        queue.fail(error);
      }
    };
    await expect(loop()).rejects.toBe(error);
    expect([values, await gathering.next(), log]).toEqual([[1, 2], DONE, ['opened', 'deleted']]);
  });

  it('throws what `until` throws, and cleans up', async () => {
    const error = new Error('can not tell');
    const until = (): boolean => {
      throw error;
    };
    const { gathering, log, confirm } = gather({ until }, 1, 2);
    confirm();
    await expect(gathering.next()).rejects.toBe(error);
    expect([await gathering.next(), log]).toEqual([DONE, ['opened', 'deleted']]);
  });

  it('tells one of several who wait; for the others it has ended', async () => {
    const { gathering, queue, confirm } = gather();
    confirm();
    const waiting = [gathering.next(), gathering.next()];
    await turn();
    const error = new Error('the connection is gone');
    queue.fail(error);
    const results = await Promise.allSettled(waiting);
    expect(results).toEqual([
      { status: 'rejected', reason: error },
      { status: 'fulfilled', value: DONE },
    ]);
  });
});
