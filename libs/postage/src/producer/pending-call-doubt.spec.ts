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

  it('gives the own reply a second where others may be meant', async () => {
    const { call, address, deadlines } = startCall();
    const progress = call.next(5_000);
    let seen: unknown;
    void progress.then((value) => (seen = value));
    address.replyToSomebody(false);
    await vi.advanceTimersByTimeAsync(999);
    expect(seen).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect([seen, deadlines.size]).toEqual([{ kind: 'ambiguous' }, 0]);
  });

  it('takes the own reply that comes within that second', async () => {
    const { call, address, deadlines } = startCall();
    const progress = call.next(5_000);
    address.replyToSomebody(false);
    vi.advanceTimersByTime(999);
    address.reply(reply(call.messageId));
    expect([await progress, deadlines.size]).toMatchObject([{ kind: 'reply' }, 0]);
  });

  it('waits no longer than its attempt lasts', async () => {
    const { call, address } = startCall();
    const progress = call.next(200);
    address.replyToSomebody(false);
    vi.advanceTimersByTime(200);
    expect(await progress).toEqual({ kind: 'ambiguous' });
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
