import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConnectionError, PublishError, type PublishErrorCode } from '../errors.js';
import { lostReplyPath } from './pending-call.js';
import { addressNamed, reply, request, startCall } from './pending-call.spec.fixture.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('PendingCall', () => {
  it('gives every call an id of its own', () => {
    const ids = Array.from({ length: 10 }, () => startCall().call.messageId);
    expect(new Set(ids).size).toBe(10);
  });

  it('ends with the reply that carries its id, and leaves no deadline', async () => {
    const { call, address, told, deadlines } = startCall();
    const progress = call.next(200);
    const delivery = reply(call.messageId);
    address.reply(delivery);
    expect(await progress).toEqual({ kind: 'reply', delivery });
    expect([told, deadlines.size]).toEqual([[], 0]);
  });

  it('tells that there was no reply in time, and can be asked again', async () => {
    const { call, address } = startCall();
    const first = call.next(200);
    vi.advanceTimersByTime(200);
    expect(await first).toEqual({ kind: 'timeout' });
    const second = call.next(200);
    vi.advanceTimersByTime(199);
    address.reply(reply(call.messageId));
    expect(await second).toMatchObject({ kind: 'reply' });
  });

  it('loses no reply that comes between two attempts', async () => {
    const { call, address, deadlines } = startCall();
    const first = call.next(200);
    vi.advanceTimersByTime(200);
    await first;
    const delivery = reply(call.messageId);
    address.reply(delivery);
    expect(await call.next(200)).toEqual({ kind: 'reply', delivery });
    expect(deadlines.size).toBe(0);
  });

  it('loses no reply that comes before anybody asks', async () => {
    const { call, address } = startCall();
    const delivery = reply(undefined);
    address.reply(delivery);
    expect(await call.next(200)).toEqual({ kind: 'reply', delivery });
  });

  it('listens at all its addresses until the end, and gives each back once', async () => {
    const { call, address } = startCall();
    const second = addressNamed('second');
    call.listenAt(second);
    address.reply(reply(call.messageId, 'to the first'));
    const progress = await call.next(200);
    expect(progress.kind === 'reply' && progress.delivery.content.toString()).toBe('to the first');
    expect([!call.isWanted(), address.released, second.released]).toEqual([false, 0, 0]);
    call.end();
    call.end();
    expect([!call.isWanted(), address.released, second.released]).toEqual([true, 1, 1]);
  });

  it('takes a second answer for one that nobody waits for', async () => {
    const { call, address, told } = startCall();
    const delivery = reply(call.messageId, 'one');
    address.reply(delivery);
    address.reply(reply(call.messageId, 'two'));
    address.reply(reply(undefined, 'three'));
    expect(await call.next(200)).toEqual({ kind: 'reply', delivery });
    expect(told).toEqual(['stranger at first: two', 'stranger at first: three']);
  });
});

describe('PendingCall, when an attempt can not be made', () => {
  const failed = (code: PublishErrorCode): PublishError =>
    new PublishError(code, { exchange: 'work', routingKey: 'k' });

  it.each([
    ['the first', 'NACKED', 1, [true, undefined]],
    ['a later', 'NACKED', 2, [false, 'NACKED']],
    ['the first', 'OUTCOME_UNKNOWN', 1, [false, undefined]],
    ['a later', 'OUTCOME_UNKNOWN', 2, [false, undefined]],
    ['a later', 'ABORTED', 2, [true, undefined]],
  ] as const)('ends or goes on: %s, with %s', (_, code, attempt, [isSettled, setback]) => {
    const { call } = startCall();
    call.outcomeOf(attempt).onFailed(failed(code));
    expect([call.isSettled, (call.setback as PublishError | undefined)?.code]).toEqual([isSettled, setback]);
  });
});

describe('PendingCall, settled or not', () => {
  it('is settled by its reply, before anybody asks, and by no other', () => {
    const { call, address } = startCall();
    address.reply(reply('somebody else'));
    address.replyToSomebody(true);
    expect(call.isSettled).toBe(false);
    address.reply(reply(call.messageId));
    expect(call.isSettled).toBe(true);
  });

  it('is settled by a failure, and not by a time that is over', async () => {
    const { call } = startCall();
    const progress = call.next(200);
    vi.advanceTimersByTime(200);
    await progress;
    expect(call.isSettled).toBe(false);
    call.fail(new Error('unroutable'));
    expect(call.isSettled).toBe(true);
  });
});

describe('PendingCall, when it fails', () => {
  it('tells whoever waits, and whoever asks later', async () => {
    const { call, deadlines } = startCall();
    call.throwIfFailed();
    const waiting = call.next(200);
    const error = new Error('unroutable');
    call.fail(error);
    call.fail(new Error('and this'));
    expect(await waiting).toEqual({ kind: 'failed', error });
    expect(await call.next(200)).toEqual({ kind: 'failed', error });
    expect(() => call.throwIfFailed()).toThrow(error);
    expect(deadlines.size).toBe(0);
  });

  it('does not fail any more once it has its reply', async () => {
    const { call, address } = startCall();
    address.reply(reply(call.messageId));
    call.fail(new Error('unroutable'));
    call.throwIfFailed();
    expect(await call.next(200)).toMatchObject({ kind: 'reply' });
  });

  it('takes the reply to a failed call for one that nobody waits for', async () => {
    const { call, address, told } = startCall();
    call.fail(new Error('unroutable'));
    address.reply(reply(call.messageId));
    expect(told).toEqual(['stranger at first: !']);
    expect(await call.next(200)).toMatchObject({ kind: 'failed' });
  });

  it('fails as ABORTED, with the reason as its cause, when its signal aborts', async () => {
    const stop = new AbortController();
    const { call } = startCall({ signal: stop.signal });
    const waiting = call.next(200);
    const cause = new Error('the user left');
    stop.abort(cause);
    const aborted = { code: 'ABORTED', exchange: 'work', routingKey: 'k', cause };
    expect(await waiting).toMatchObject({ kind: 'failed', error: aborted });
  });

  it('has failed from the start where its signal has aborted before', () => {
    const { call } = startCall({ signal: AbortSignal.abort() });
    expect(() => call.throwIfFailed()).toThrow(expect.objectContaining({ code: 'ABORTED' }));
  });

  it('leaves no listener at the signal, and is not failed by it after its end', async () => {
    const stop = new AbortController();
    const { call } = startCall({ signal: stop.signal });
    expect(getEventListeners(stop.signal, 'abort').length).toBeGreaterThan(0);
    call.end();
    expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
    stop.abort();
    call.fail(new Error('too late'));
    call.throwIfFailed();
  });

  it('tells that nobody knows whether it was handled, when one of its addresses is lost', async () => {
    const { call } = startCall();
    const second = addressNamed('second');
    call.listenAt(second);
    const cause = new Error('socket hang up');
    second.lose(cause);
    const progress = await call.next(200);
    expect(progress).toMatchObject({ kind: 'failed', error: { code: 'CONNECTION_LOST', cause } });
    expect(() => call.throwIfFailed()).toThrow(/command "ask" \(exchange "work", key "k"\).*unknown/);
  });
});

describe('PendingCall, whose attempts the broker returns', () => {
  it('waits on as long as one of them may have reached somebody', async () => {
    const { call, address } = startCall();
    const progress = call.next(200);
    call.onSent();
    call.onSent();
    call.onReturned();
    expect(call.isSettled).toBe(false);
    address.reply(reply(call.messageId));
    // Late, and of no interest any more.
    call.onReturned();
    expect(await progress).toMatchObject({ kind: 'reply' });
  });

  it('fails as UNROUTABLE, with its message id, when all of them have come back', async () => {
    const { call, deadlines } = startCall();
    call.onSent();
    const first = call.next(200);
    vi.advanceTimersByTime(200);
    expect(await first).toEqual({ kind: 'timeout' });
    call.onSent();
    const second = call.next(200);
    call.onReturned();
    call.onReturned();
    const { messageId } = call;
    const error = { code: 'UNROUTABLE', exchange: 'work', routingKey: 'k', messageId };
    expect(await second).toMatchObject({ kind: 'failed', error });
    expect([call.isSettled, deadlines.size]).toEqual([true, 0]);
  });
});

describe('PendingCall, for any number of replies', () => {
  const startCollecting = (signal?: AbortSignal) => {
    const { call, address, told } = startCall(signal === undefined ? {} : { signal });
    const replies: string[] = [];
    const failures: unknown[] = [];
    const collect = (): void =>
      call.collect({
        onReply: ({ content }) => replies.push(content.toString()),
        onFailed: (error) => failures.push(error),
      });
    collect();
    return { call, address, told, replies, failures, collect };
  };
  const codesOf = (failures: readonly unknown[]): unknown[] =>
    failures.map((error) => (error as { code: unknown }).code);

  it('hands on every one, with its id or without, and no strangers', () => {
    const { call, address, told, replies } = startCollecting();
    address.reply(reply(call.messageId, 'one'));
    address.reply(reply(undefined, 'two'));
    address.reply(reply('somebody else', 'three'));
    address.reply(reply(call.messageId, 'four'));
    expect([replies, told]).toEqual([['one', 'two', 'four'], ['stranger at first: three']]);
  });

  it('tells once that no more can come', () => {
    const { call, address, failures, replies } = startCollecting();
    address.reply(reply(undefined, 'one'));
    address.lose(new Error('socket hang up'));
    call.fail(new Error('nacked'));
    expect([replies, codesOf(failures)]).toEqual([['one'], ['CONNECTION_LOST']]);
  });

  it('tells it also where it was so before anybody collected', () => {
    const { call, collect, failures } = startCollecting(AbortSignal.abort());
    expect(codesOf(failures)).toEqual(['ABORTED']);
    call.end();
    collect();
    expect(codesOf(failures)).toEqual(['ABORTED', 'ABORTED']);
  });

  it('tells of an abort, and of nothing after the end', () => {
    const stop = new AbortController();
    const [aborted, ended] = [startCollecting(stop.signal), startCollecting(stop.signal)];
    ended.call.end();
    stop.abort();
    expect([codesOf(aborted.failures), ended.failures]).toEqual([['ABORTED'], []]);
  });
});

describe('lostReplyPath', () => {
  it('leaves it as it is when the connection was closed by us', () => {
    const closed = new ConnectionError('CONNECTION_CLOSED', 'closed by this application');
    expect(lostReplyPath(closed, request)).toBe(closed);
  });

  it('makes any other end a lost connection', () => {
    const cause = new ConnectionError('CONNECTION_FAILED', 'refused');
    expect(lostReplyPath(cause, request)).toMatchObject({ code: 'CONNECTION_LOST', cause });
  });
});
