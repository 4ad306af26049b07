import { getEventListeners } from 'node:events';
import {
  ConnectionError,
  defineExchange,
  PublishError,
  type CallOptions,
  type ChannelPort,
  type Driver,
  type Link,
  type ReplyQueue,
  type RpcResult,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS, type PeerMessage, type TestBroker } from '../support/test-brokers.js';
import {
  echoing,
  replyToOf,
  resultBytes,
  silent,
  useRpcWorld,
  type Caller,
  type CallerApp,
  type RpcWorld,
} from './rpc-world.js';

const caught = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

/** Nothing of it is left with the caller. */
const expectNothingLeft = ({ snapshot }: CallerApp): void => {
  expect(snapshot()).toMatchObject({ pending: 0, waiting: 0, replyQueues: 0 });
};

const valueOf = ({ value }: RpcResult): unknown => value;

/** A peer that answers when the test says so, as often as it says, and a caller. */
const setUp = async (world: RpcWorld, options: Parameters<RpcWorld['caller']>[0] = {}) => {
  const queue = uniqueName('asked');
  const peer = await world.peer();
  const requests = new Inbox<PeerMessage>();
  await peer.serve(queue, requests.push);
  const caller = await world.caller(options);
  /** The request of this number, when it has come. */
  const request = async (number = 1): Promise<PeerMessage> => {
    const last = (await requests.take(number)).at(-1);
    if (!last) throw new Error('a request of no number');
    return last;
  };
  /** Answers a request with each of these values. */
  const answer = (to: PeerMessage, ...values: unknown[]): void => {
    for (const value of values) peer.send(replyToOf(to), resultBytes(value), echoing(to));
  };
  const openQueue = (more: CallOptions = {}): Promise<ReplyQueue> =>
    caller.to(queue, more).with({ queueOnly: true }).rpc('ping');
  return { queue, peer, requests, request, caller, answer, openQueue };
};

/** The two ways to read several replies to one request. */
const WAYS = [
  {
    way: 'gather',
    read: (calls: Caller): Promise<AsyncIterator<RpcResult, undefined>> =>
      Promise.resolve(calls.gather('ping', undefined, { timeoutMs: 60_000 })),
  },
  {
    way: 'a reply queue',
    read: async (calls: Caller): Promise<AsyncIterator<RpcResult, undefined>> =>
      (await calls.with({ queueOnly: true }).rpc('ping'))[Symbol.asyncIterator](),
  },
] as const;

describe.each(TEST_BROKERS)('a reply queue on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  it('is a real queue that the request names, and anybody can send to', async () => {
    const { request, caller, openQueue } = await setUp(world);
    const replies = await openQueue();
    const sent = await request();
    expect(replyToOf(sent)).toBe(replies.name);
    expect(sent.properties).toMatchObject({ headers: { 'postage-attempt': 1 } });
    expect(sent.properties.expiration).toBeUndefined();
    expect(await world.queues()).toContain(replies.name);
    expect(caller.snapshot()).toMatchObject({ pending: 1, replyQueues: 1, directReplies: 0 });

    const stranger = await world.peer();
    stranger.send(replies.name, resultBytes('from elsewhere'));
    expect((await replies.take(1, 10_000)).map(valueOf)).toEqual(['from elsewhere']);
    replies.close();
    expectNothingLeft(caller);
  });

  it('gives as many as are asked for, or what there is when the time is over', async () => {
    const { request, answer, openQueue, caller } = await setUp(world);
    const replies = await openQueue();
    answer(await request(), 1, 2, 3);
    expect((await replies.take(2, 10_000)).map(valueOf)).toEqual([1, 2]);
    expect((await replies.take(5, 300)).map(valueOf)).toEqual([3]);
    expect(await replies.take(1, 50)).toEqual([]);
    answer(await request(), 4);
    expect((await replies.take(1, 10_000)).map(valueOf)).toEqual([4]);
    replies.close();
    expectNothingLeft(caller);
  });

  it('that is closed ends every wait, is deleted at the broker, and nobody can reach it', async () => {
    const { request, answer, openQueue, caller } = await setUp(world);
    const replies = await openQueue();
    const taking = replies.take(2, 60_000);
    const next = replies[Symbol.asyncIterator]().next();

    replies.close();
    replies.close();

    expect([await taking, await next]).toEqual([[], { done: true, value: undefined }]);
    expectNothingLeft(caller);
    await eventually(async () => expect(await world.queues()).not.toContain(replies.name));
    expect(await caught(caller.to(replies.name).rpc('anybody'))).toMatchObject({ code: 'UNROUTABLE' });
    answer(await request(), 'late');
    expect(await replies.take(1, 100)).toEqual([]);
  });

  it('that is closed still gives what had come', async () => {
    const { request, answer, openQueue, caller } = await setUp(world, { debug: true, log: false });
    const replies = await openQueue();
    answer(await request(), 1, 2);
    await caller.events.of('message.received').take(2);
    replies.close();
    expect((await replies.take(3, 10_000)).map(valueOf)).toEqual([1, 2]);
  });

  it('is deleted when a loop over it is left', async () => {
    const { request, answer, openQueue, caller } = await setUp(world);
    const replies = await openQueue();
    answer(await request(), 1, 2, 3);
    for await (const { value } of replies) if (value === 2) break;
    expectNothingLeft(caller);
    await eventually(async () => expect(await world.queues()).not.toContain(replies.name));
  });

  it('is never one that an earlier call has used', async () => {
    const { peer, request, answer, openQueue, caller } = await setUp(world);
    const first = await openQueue();
    answer(await request(), 'to the first');
    expect((await first.take(1, 10_000)).map(valueOf)).toEqual(['to the first']);
    first.close();
    const second = await openQueue();
    expect(second.name).not.toBe(first.name);
    peer.send(first.name, resultBytes('late'));
    answer(await request(2), 'to the second');
    expect((await second.take(1, 10_000)).map(valueOf)).toEqual(['to the second']);
    second.close();

    // Where all replies carry their ids, ordinary calls share queues: those are not handed out.
    const echoes = uniqueName('echoing');
    const names = new Set<string>();
    await peer.serve(echoes, (each) => {
      names.add(replyToOf(each));
      answer(each, 'pong');
    });
    for (let count = 0; count < 120; count += 1) await caller.to(echoes).rpc('ping');
    expect(caller.snapshot().replyQueues).toBeGreaterThan(0);
    const third = await openQueue();
    expect([...names, first.name, second.name]).not.toContain(third.name);
    third.close();
  });

  it('keeps a place among the calls until it is closed', async () => {
    const { request, answer, openQueue, caller, queue } = await setUp(world, { maxReplyQueues: 1 });
    const replies = await openQueue();
    const call = caller.to(queue).rpc('call');
    expect(caller.snapshot()).toMatchObject({ pending: 1, waiting: 1 });
    replies.close();
    answer(await request(2), 'its turn');
    expect((await call).unwrap()).toBe('its turn');
    expectNothingLeft(caller);
  });

  it('that is lost fails a `take` that wants more than has come; what has come is there for another', async () => {
    const { request, answer, openQueue, caller } = await setUp(world, { debug: true, log: false });
    const replies = await openQueue();
    answer(await request(), 1, 2, 3);
    expect((await replies.take(1, 10_000)).map(valueOf)).toEqual([1]);
    const taking = caught(replies.take(3, 60_000));
    await caller.events.of('message.received').take(3);

    world.broker.cut();

    const error = await taking;
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
    expectNothingLeft(caller);
    expect((await replies.take(2, 60_000)).map(valueOf)).toEqual([2, 3]);
    expect(await caught(replies.take(1, 60_000))).toBe(error);
    expect(await caught(replies[Symbol.asyncIterator]().next())).toBe(error);
    await eventually(async () => expect(await world.queues()).not.toContain(replies.name));
  });

  it('leaves nothing behind when many were opened, and some of them can not be', async () => {
    const { openQueue, requests, caller } = await setUp(world);
    const before = await world.queues();
    const opened = await Promise.all(Array.from({ length: 40 }, () => openQueue()));
    expect(new Set(opened.map(({ name }) => name)).size).toBe(40);
    await requests.take(40);
    expect(caller.snapshot()).toMatchObject({ pending: 40, replyQueues: 40 });
    const refused = await caught(caller.to('nobody-is-here').with({ queueOnly: true }).rpc('ping'));
    expect(refused).toMatchObject({ code: 'UNROUTABLE' });
    for (const replies of opened) replies.close();
    expectNothingLeft(caller);
    await eventually(async () => expect(await world.queues()).toEqual(before));
  });

  describe.each(WAYS)('and $way', ({ way, read }) => {
    it.each([
      ['that echo the correlation id', echoing],
      ['that send no properties at all', silent],
    ])('take successes, errors and exceptions as results, from repliers %s', async (_what, propertiesOf) => {
      const { queue, peer, request, caller } = await setUp(world);
      const replies = await read(caller.to(queue));
      const first = replies.next();
      const sent = await request();
      for (const type of ['error', 'exception', 'success'] as const)
        peer.send(replyToOf(sent), resultBytes('KeyError', type), propertiesOf(sent));
      const results = [await first, await replies.next(), await replies.next()];
      expect(results.map(({ value }) => [value?.type, value?.value])).toEqual([
        ['error', null],
        ['exception', 'KeyError'],
        ['success', 'KeyError'],
      ]);
      await replies.return?.();
      expectNothingLeft(caller);
    });

    it('report a reply that can not be read, and go on', async () => {
      const { queue, peer, request, answer, caller } = await setUp(world, { maxMessageBytes: 1_000 });
      const replies = await read(caller.to(queue));
      const first = replies.next();
      const sent = await request();
      const nonsense = [Buffer.from('{"type":'), Buffer.alloc(0), Buffer.alloc(1_001, ' ')];
      for (const content of nonsense) peer.send(replyToOf(sent), content, echoing(sent));
      answer(sent, 'readable');
      expect(await first).toMatchObject({ value: { value: 'readable' } });
      const reports = await caller.events.of('reply.malformed').take(3);
      expect(reports.map(({ queue: name }) => name)).toEqual(nonsense.map(() => replyToOf(sent)));
      for (const { error } of reports) expect(error).toMatchObject({ code: 'MALFORMED_MESSAGE' });
      await replies.return?.();
    });

    it('fail at once where nobody is bound, whether to the default exchange or another', async () => {
      const caller = await world.caller();
      const lonely = defineExchange({ name: uniqueName('lonely'), type: 'fanout' });
      for (const calls of [caller.to('nobody-is-here'), caller.to('', { eks: [[lonely, 'rk']] })]) {
        const error = await caught(read(calls).then((replies) => replies.next()));
        expect(error).toBeInstanceOf(PublishError);
        expect(error).toMatchObject({ code: 'UNROUTABLE' });
      }
      expectNothingLeft(caller);
    });

    it('give what has come, and then that the connection was lost', async () => {
      const { queue, request, answer, caller } = await setUp(world, { debug: true, log: false });
      const replies = await read(caller.to(queue));
      const first = replies.next();
      answer(await request(), 1, 2, 3);
      expect(await first).toMatchObject({ value: { value: 1 } });
      // All three have come before the connection goes.
      await caller.events.of('message.received').take(3);

      world.broker.cut();
      await caller.events.of('connection.lost').take(1);

      await eventually(() => expectNothingLeft(caller));
      expect(await replies.next()).toMatchObject({ value: { value: 2 } });
      expect(await replies.next()).toMatchObject({ value: { value: 3 } });
      const error = await caught(replies.next());
      expect(error).toBeInstanceOf(ConnectionError);
      expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
      expect(String(error)).toContain('command "ping"');
    });

    it('tell whoever waits that the connection was lost, and work again with the next one', async () => {
      const { queue, request, answer, caller } = await setUp(world);
      const replies = await read(caller.to(queue));
      const first = replies.next();
      answer(await request(), 1);
      await first;
      const waiting = caught(replies.next());

      world.broker.cut();

      expect(await waiting).toMatchObject({ code: 'CONNECTION_LOST' });
      expectNothingLeft(caller);
      const again = (await read(caller.to(queue))).next();
      answer(await request(2), 'here again');
      expect(await again).toMatchObject({ value: { value: 'here again' } });
    });

    it('fail when the application closes', async () => {
      const { queue, request, caller } = await setUp(world);
      const waiting = caught(read(caller.to(queue)).then((replies) => replies.next()));
      await request();
      await caller.app.close();
      expect(await waiting).toMatchObject({ code: 'CONNECTION_CLOSED' });
      expectNothingLeft(caller);
      expect(await caught(read(caller.to(queue)).then((replies) => replies.next()))).toMatchObject({
        code: 'CONNECTION_CLOSED',
      });
    });

    it('are aborted while they wait for their turn', async () => {
      const { queue, requests, request, caller } = await setUp(world, { maxReplyQueues: 1 });
      const held = caught(caller.to(queue, { timeoutMs: 1_500, maxRetry: 0 }).rpc('held'));
      await request();
      const stop = new AbortController();
      const begun = read(caller.to(queue, { signal: stop.signal })).then((replies) => replies.next());
      const waiting = caught(begun);
      await eventually(() => expect(caller.snapshot()).toMatchObject({ pending: 1, waiting: 1 }));
      stop.abort();
      expect(await waiting).toMatchObject({ code: 'ABORTED', routingKey: queue });
      expect(caller.snapshot()).toMatchObject({ pending: 1, waiting: 0 });
      await held;
      expectNothingLeft(caller);
      expect(requests.items).toHaveLength(1);
    });

    it('are aborted by the signal of the call, before and after something has come', async () => {
      const { queue, requests, request, answer, caller } = await setUp(world);
      const stop = new AbortController();
      const reason = new Error('never mind');
      const replies = await read(caller.to(queue, { signal: stop.signal }));
      const first = replies.next();
      answer(await request(), 1);
      await first;
      const waiting = caught(replies.next());

      stop.abort(reason);

      expect(await waiting).toMatchObject({ code: 'ABORTED', routingKey: queue, cause: reason });
      const begun = read(caller.to(queue, { signal: stop.signal })).then((second) => second.next());
      expect(await caught(begun)).toMatchObject({ code: 'ABORTED', cause: reason });
      expect(requests.items).toHaveLength(1);
      expectNothingLeft(caller);
    });

    it('stop listening to that signal when they end', async () => {
      const { queue, request, answer, caller } = await setUp(world);
      const { signal } = new AbortController();
      const replies = await read(caller.to(queue, { signal }));
      const first = replies.next();
      answer(await request(), way);
      expect(await first).toMatchObject({ value: { value: way } });
      await replies.return?.();
      expect(getEventListeners(signal, 'abort')).toEqual([]);
      expect(await replies.next()).toMatchObject({ done: true });
    });
  });
});

/** The same object with another method or two. */
const overlaid = <T extends object>(target: T, changes: Partial<T>): T =>
  new Proxy(target, {
    get: (_target, key) => {
      const value: unknown = Reflect.get(Object.hasOwn(changes, key) ? changes : target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });

/** A broker that delivers requests, and does not come to confirm them: its disk is slow. */
const openWithoutConfirms = async (): Promise<TestBroker> => {
  const broker = await TEST_BROKERS[1].open();
  const unconfirming = (channel: ChannelPort): ChannelPort =>
    overlaid(channel, {
      publish: (message, onConfirm) =>
        channel.publish(
          message,
          message.properties.correlationId === undefined ? onConfirm : () => undefined,
        ),
    });
  const slow = (link: Link): Link =>
    overlaid(link, { openChannel: async () => unconfirming(await link.openChannel()) });
  const driver = broker.connection as Driver;
  return { ...broker, connection: { connect: async (request) => slow(await driver.connect(request)) } };
};

describe('replies to a request that the broker does not confirm', () => {
  const world = useRpcWorld(openWithoutConfirms);

  it('are given by a gathering all the same', async () => {
    const { queue, request, answer, caller } = await setUp(world);
    const replies = caller.to(queue).gather('ping', undefined, { timeoutMs: 1_500 });
    const first = caught(replies.next());
    answer(await request(), 1, 2);
    expect(await first).toMatchObject({ value: { value: 1 } });
    expect(await replies.next()).toMatchObject({ value: { value: 2 } });
    expect(await replies.next()).toMatchObject({ done: true });
    expectNothingLeft(caller);
  });
});
