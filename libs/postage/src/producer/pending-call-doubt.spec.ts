import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addressNamed, reply, startCall } from './pending-call.spec.fixture.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('PendingCall, of replies that may not be its own', () => {
  it('never takes one with another id', async () => {
    const { call, address, told } = startCall();
    const progress = call.next(200);
    address.reply(reply(startCall().call.messageId));
    expect(told).toEqual(['stranger at first: !']);
    vi.advanceTimersByTime(200);
    expect(await progress).toEqual({ kind: 'timeout' });
  });

  it.each([undefined, ''])('takes one without an id (%o): no other call is at that address', async (id) => {
    const { call, address, told } = startCall();
    address.reply(reply(id));
    expect([await call.next(200), told]).toMatchObject([{ kind: 'reply' }, []]);
  });

  it('wakes whoever waits with an ambiguous one, where no other call can be meant; the own reply is taken after it', async () => {
    const { call, address, told, deadlines } = startCall();
    const progress = call.next(200);
    address.replyToSomebody(true);
    expect([await progress, deadlines.size, told]).toEqual([{ kind: 'ambiguous' }, 0, ['ambiguous for ask']]);
    const next = call.next(200);
    address.reply(reply(call.messageId));
    expect(await next).toMatchObject({ kind: 'reply' });
  });

  it('waits for the own reply until its attempt ends where others may be meant', async () => {
    const { call, address, deadlines } = startCall();
    const progress = call.next(5_000);
    let seen: unknown;
    void progress.then((value) => (seen = value));
    address.replyToSomebody(false);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(seen).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect([seen, deadlines.size]).toEqual([{ kind: 'ambiguous' }, 0]);
  });

  it('takes the own reply that comes until then', async () => {
    const { call, address, deadlines } = startCall();
    const progress = call.next(5_000);
    address.replyToSomebody(false);
    vi.advanceTimersByTime(4_999);
    address.reply(reply(call.messageId));
    expect([await progress, deadlines.size]).toMatchObject([{ kind: 'reply' }, 0]);
  });

  it('does not ask for another attempt because of what was ambiguous before this one', async () => {
    const { call, address } = startCall();
    address.replyToSomebody(true);
    const next = call.next(200);
    vi.advanceTimersByTime(200);
    expect(await next).toEqual({ kind: 'timeout' });
  });

  it('prefers the own reply to an ambiguous one before it', async () => {
    const { call, address } = startCall();
    address.replyToSomebody(true);
    address.reply(reply(call.messageId));
    expect(await call.next(200)).toMatchObject({ kind: 'reply' });
  });

  it('is in question from when it has been sent until it has its reply', () => {
    const { call, address } = startCall();
    expect(call.isInQuestion).toBe(false);
    call.onSent();
    expect(call.isInQuestion).toBe(true);
    address.reply(reply(call.messageId));
    expect(call.isInQuestion).toBe(false);
  });

  it('is in question no more once it has an address of its own', () => {
    const { call } = startCall();
    call.onSent();
    call.listenAt(addressNamed('second'));
    expect(call.isInQuestion).toBe(false);
  });
});

describe('PendingCall, in its last attempt', () => {
  it.for([true, false])(
    'is not woken by what is ambiguous, before or while it waits (%s)',
    async (isAlone) => {
      const { call, address, told } = startCall();
      address.replyToSomebody(isAlone);
      const progress = call.next(2_000, false);
      address.replyToSomebody(isAlone);
      vi.advanceTimersByTime(1_999);
      const next = await Promise.race([progress, Promise.resolve('waits')]);
      vi.advanceTimersByTime(1);
      expect([next, await progress, told.length]).toEqual(['waits', { kind: 'timeout' }, 2]);
    },
  );
});

describe('PendingCall, while it waits for another address', () => {
  const waiting = (work: Promise<void>) => {
    const started = startCall();
    let isDone = false;
    void started.call.orSettled(work, 200).then(() => (isDone = true));
    const isOver = async (): Promise<boolean> => {
      await vi.advanceTimersByTimeAsync(0);
      return isDone;
    };
    return { ...started, isOver };
  };
  const never = new Promise<void>(() => undefined);

  it('goes on when there is one', async () => {
    const { isOver, deadlines } = waiting(Promise.resolve());
    expect([await isOver(), deadlines.size]).toEqual([true, 0]);
  });

  it('goes on with its reply', async () => {
    const { call, address, isOver, deadlines } = waiting(never);
    expect(await isOver()).toBe(false);
    address.reply(reply(call.messageId));
    expect([await isOver(), deadlines.size]).toEqual([true, 0]);
  });

  it('waits for its time, and no longer', async () => {
    const { isOver, deadlines } = waiting(never);
    vi.advanceTimersByTime(199);
    expect(await isOver()).toBe(false);
    vi.advanceTimersByTime(1);
    expect([await isOver(), deadlines.size]).toEqual([true, 0]);
  });
});
