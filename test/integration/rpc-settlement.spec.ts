import {
  ConnectionError,
  MessageResult,
  MessageResultError,
  PublishError,
  RemoteError,
  RemoteException,
  RpcHandler,
  RpcTimeoutError,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS, type PeerMessage } from '../support/test-brokers.js';
import { echoing, replyToOf, resultBytes, useRpcWorld, type CallerApp } from './rpc-world.js';

class Handlers {
  @RpcHandler('command', 'ok')
  ok(): MessageResult {
    return new MessageResult(11, 'a remark');
  }

  @RpcHandler('command', 'refuse')
  refuse(): MessageResultError {
    return new MessageResultError('no such user');
  }

  @RpcHandler('command', 'throw')
  throw(): never {
    throw new RangeError('negative');
  }
}

const caught = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

/** Nothing of it is left with the caller. */
const expectNothingPending = ({ snapshot }: CallerApp): void => {
  expect(snapshot()).toMatchObject({ pending: 0, waiting: 0 });
};

describe.each(TEST_BROKERS)('an rpc on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  /** A queue whose messages nobody answers before the test says so. */
  const mute = async () => {
    const queue = uniqueName('mute');
    const peer = await world.peer();
    const requests = new Inbox<PeerMessage>();
    await peer.serve(queue, requests.push);
    return { queue, peer, requests };
  };

  it('ends as a success, an error or an exception', async () => {
    const queue = uniqueName('three');
    await world.server(queue, Handlers);
    const calls = (await world.caller()).to(queue);

    const success = await calls.rpc('ok');
    expect(success).toMatchObject({ ok: true, type: 'success', value: 11, message: 'a remark' });
    expect(success.unwrap()).toBe(11);

    const error = await calls.rpc('refuse');
    expect(error).toMatchObject({ ok: false, type: 'error', value: null, message: 'no such user' });
    expect(() => error.unwrap()).toThrow(RemoteError);

    const exception = await calls.rpc('throw');
    expect(exception).toMatchObject({
      ok: false,
      type: 'exception',
      value: 'RangeError',
      message: 'negative',
    });
    expect(() => exception.unwrap()).toThrow(RemoteException);
  });

  it('to a key without a queue is unroutable at once, however long it would wait for a reply', async () => {
    const caller = await world.caller();
    const error = await caught(caller.to('nobody-is-here', { timeoutMs: 1_000_000 }).rpc('ok'));
    expect(error).toBeInstanceOf(PublishError);
    expect(error).toMatchObject({ code: 'UNROUTABLE', exchange: '', routingKey: 'nobody-is-here' });
    expectNothingPending(caller);
  });

  it('without an answer returns the exception TimeoutError, which unwraps to an error with all the facts', async () => {
    const { queue, requests } = await mute();
    const caller = await world.connectedCaller();

    const result = await caller.to(queue, { timeoutMs: 150, maxRetry: 2 }).rpc('ok');

    expect(result).toMatchObject({ ok: false, type: 'exception', value: 'TimeoutError' });
    const error = await caught(Promise.resolve().then(() => result.unwrap()));
    expect(error).toBeInstanceOf(RpcTimeoutError);
    const [first] = await requests.take(3);
    expect(error).toMatchObject({
      code: 'RPC_TIMEOUT',
      facts: {
        type: 'command',
        command: 'ok',
        exchange: '',
        routingKey: queue,
        attempts: 3,
        messageId: first?.properties.messageId,
      },
    });
    const { elapsedMs } = (error as RpcTimeoutError).facts;
    expect(elapsedMs).toBeGreaterThanOrEqual(440);
    expectNothingPending(caller);
  });

  it('sends the same request with one message id each time, numbered, with the time that is left', async () => {
    const { queue, requests } = await mute();
    await (await world.connectedCaller()).to(queue, { timeoutMs: 150, maxRetry: 2 }).rpc('ok');

    const all = (await requests.take(3)).map(({ properties }) => properties);
    const [first, second, third] = all;
    expect(new Set(all.map(({ messageId }) => messageId)).size).toBe(1);
    expect(new Set(all.map(({ replyTo }) => replyTo)).size).toBe(1);
    expect(all.map(({ headers }) => headers?.['postage-attempt'])).toEqual([1, 2, 3]);
    const left = all.map(({ headers }) => Number(headers?.['postage-remaining-ms']));
    expect(left[0]).toBeLessThanOrEqual(450);
    expect(left[1]).toBeLessThan(Number(left[0]));
    expect(left[2]).toBeLessThan(Number(left[1]));
    expect(left[2]).toBeGreaterThan(0);
    // The time of the first one began with the call; it may have had to wait for a reply address.
    expect(Number(first?.expiration)).toBeGreaterThan(0);
    expect(Number(first?.expiration)).toBeLessThanOrEqual(150);
    expect([second?.expiration, third?.expiration]).toEqual(['150', '150']);
    expect(requests.items).toHaveLength(3);
  });

  it('that was given up is not run later', async () => {
    const queue = uniqueName('later');
    const caller = await world.caller();
    const holder = await world.peer();
    await holder.declare(queue);

    const call = caller.to(queue, { timeoutMs: 300, maxRetry: 0 }).rpc('ok');
    await eventually(async () => expect(await holder.waitingIn(queue)).toBe(1));
    expect(await call).toMatchObject({ value: 'TimeoutError' });
    await eventually(async () => expect(await holder.waitingIn(queue)).toBe(0));
    const served = new Inbox<PeerMessage>();
    await holder.serve(queue, served.push);
    holder.send(queue, Buffer.from('the mark'));
    expect((await served.take(1))[0]?.content.toString()).toBe('the mark');
  });

  it('counts and drops a reply that comes too late', async () => {
    const { queue, peer, requests } = await mute();
    const caller = await world.connectedCaller();
    const late = caller.events.of('reply.late');
    const short = caller.to(queue, { timeoutMs: 100, maxRetry: 0 });
    // The address stays in use by a second call, so that the broker has somebody to give it to.
    const first = await short.with({ maxRetry: 1 }).rpc('first');
    expect(first).toMatchObject({ value: 'TimeoutError' });
    const second = caller.to(queue, { timeoutMs: 10_000 }).rpc('second');
    const [request] = (await requests.take(3)).toReversed();
    if (!request) throw new Error('nothing came');
    peer.send(replyToOf(request), resultBytes('not this'), { correlationId: 'another' });
    await late.take(1);
    expect(caller.snapshot()).toMatchObject({ pending: 1, lateReplies: 1 });
    peer.send(replyToOf(request), resultBytes('this'), echoing(request));
    expect((await second).unwrap()).toBe('this');
    expectNothingPending(caller);
  });

  it('says that the outcome is unknown when the connection is lost, and the next call works', async () => {
    const { queue, peer, requests } = await mute();
    const caller = await world.caller();
    const call = caught(caller.to(queue, { timeoutMs: 60_000 }).rpc('ok'));
    await requests.take(1);

    world.broker.cut();

    const error = await call;
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
    expect(String(error)).toContain(`command "ok" (exchange "", key "${queue}")`);
    expect(String(error)).toContain('whether the call was handled is unknown');
    expectNothingPending(caller);

    const next = caller.to(queue).rpc('again');
    const [, request] = await requests.take(2);
    if (request) peer.send(replyToOf(request), resultBytes('here again'));
    expect((await next).unwrap()).toBe('here again');
  });

  it('is rejected when the application closes, and so are all the others', async () => {
    const { queue, requests } = await mute();
    const caller = await world.caller({ maxReplyQueues: 30 });
    const calls = Array.from({ length: 50 }, () => caught(caller.to(queue).rpc('ok')));
    await requests.take(30);

    await caller.app.close();

    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: 'CONNECTION_CLOSED' });
    expectNothingPending(caller);
    expect(caller.snapshot()).toMatchObject({ replyQueues: 0, directReplies: 0 });
  });

  it('is aborted by its signal, whether it waits for a reply or has not begun', async () => {
    const { queue, requests } = await mute();
    const caller = await world.caller();
    const stop = new AbortController();
    const reason = new Error('never mind');
    const call = caught(caller.to(queue, { signal: stop.signal }).rpc('ok'));
    await requests.take(1);

    stop.abort(reason);

    expect(await call).toMatchObject({ code: 'ABORTED', routingKey: queue, cause: reason });
    const second = await caught(caller.to(queue, { signal: stop.signal }).rpc('ok'));
    expect(second).toMatchObject({ code: 'ABORTED', cause: reason });
    expect(requests.items).toHaveLength(1);
    expectNothingPending(caller);
  });

  it('beyond the cap waits for its turn, within its own deadline', async () => {
    const { queue, peer, requests } = await mute();
    const caller = await world.caller({ maxReplyQueues: 1 });
    const held = caller.to(queue).rpc('held');
    const [first] = await requests.take(1);
    const waiting = caller.to(queue).rpc('waiting');

    const impatient = await caller.to(queue, { timeoutMs: 100, maxRetry: 1 }).rpc('impatient');

    expect(impatient).toMatchObject({ value: 'TimeoutError' });
    const error = await caught(Promise.resolve().then(() => impatient.unwrap()));
    expect(error).toMatchObject({ facts: { attempts: 0, command: 'impatient' } });
    expect(String(error)).toMatch(/not sent.*maxReplyQueues/);
    expect(caller.snapshot()).toMatchObject({ pending: 1, waiting: 1 });
    if (first) peer.send(replyToOf(first), resultBytes('one'));
    const [, second] = await requests.take(2);
    if (second) peer.send(replyToOf(second), resultBytes('two'));
    expect([(await held).unwrap(), (await waiting).unwrap()]).toEqual(['one', 'two']);
    expectNothingPending(caller);
  });

  it('is aborted while it waits for its turn', async () => {
    const { queue, requests } = await mute();
    const caller = await world.caller({ maxReplyQueues: 1 });
    const stop = new AbortController();
    const held = caught(caller.to(queue, { signal: stop.signal }).rpc('held'));
    await requests.take(1);
    const waiting = caught(caller.to(queue, { signal: stop.signal }).rpc('waiting'));
    stop.abort();
    expect(await held).toMatchObject({ code: 'ABORTED' });
    expect(await waiting).toMatchObject({ code: 'ABORTED' });
    expectNothingPending(caller);
  });
});
