import {
  defineExchange,
  MessageCommand,
  Processor,
  Producer,
  RpcCommand,
  RpcHandler,
  DEFAULT_EXCHANGE,
  GenericProducer,
  type CallOptions,
  type Eks,
  type GatherOptions,
  type Gathering,
  type RpcResult,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS, type Peer, type PeerMessage } from '../support/test-brokers.js';
import {
  echoing,
  parametersOf,
  replyToOf,
  resultBytes,
  silent,
  useRpcWorld,
  type CallerApp,
} from './rpc-world.js';
import { sorted } from './world.js';

/** No test waits for it: what ends a gathering there is something else. */
const LONG = { timeoutMs: 60_000 };

class PingHandlers {
  @RpcHandler('command', 'ping')
  ping(): string {
    return 'pong';
  }
}

/** A producer with a builder, which makes what `gather` can send too. */
@Producer({ eks: [[DEFAULT_EXCHANGE, 'nobody']] })
class Fleet extends GenericProducer {
  buildRpcCensus(area: string): RpcCommand<string> {
    return new RpcCommand<string>('census', { area });
  }
}

/** What a gathering gives, to its end. */
const valuesOf = async (replies: AsyncIterable<RpcResult>): Promise<unknown[]> => {
  const values: unknown[] = [];
  for await (const { value } of replies) values.push(value);
  return values;
};

const caught = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

/** Nothing of it is left with the caller. */
const expectNothingPending = ({ snapshot }: CallerApp): void => {
  expect(snapshot()).toMatchObject({ pending: 0, waiting: 0 });
};

describe.each(TEST_BROKERS)('gather on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  /** A peer that answers when the test says so, as often as it says, and a caller. */
  const setUp = async (options: Parameters<typeof world.caller>[0] = {}) => {
    const queue = uniqueName('asked');
    const peer = await world.peer();
    const requests = new Inbox<PeerMessage>();
    await peer.serve(queue, requests.push);
    const caller = await world.caller(options);
    const gather = (gatherOptions?: GatherOptions, callOptions: CallOptions = {}): Gathering<unknown> =>
      caller.to(queue, callOptions).gather('ping', undefined, gatherOptions);
    /** The request of this number, when it has come. */
    const request = async (number = 1): Promise<PeerMessage> => {
      const last = (await requests.take(number)).at(-1);
      if (!last) throw new Error('a request of no number');
      return last;
    };
    return { queue, peer, requests, request, caller, gather, ...replying(peer) };
  };

  const replying = (peer: Peer) => ({
    /** Answers one request with each of these values. */
    answer: (to: PeerMessage, ...values: unknown[]): void => {
      for (const value of values) peer.send(replyToOf(to), resultBytes(value), echoing(to));
    },
  });

  /** Three applications that one exchange sends every request to. */
  const fleet = async (): Promise<Eks> => {
    const exchange = defineExchange({ name: uniqueName('fleet'), type: 'fanout' });
    const { connection } = world.broker;
    for (const name of ['red', 'green', 'blue']) {
      const queue = { name: uniqueName(name), flags: { autoDelete: true, durable: false } };
      @Processor({ eqk: [[exchange, [[queue, '']]]] })
      class Ship extends PingHandlers {}
      const app = await startReceiver({ connection, log: false, fingerprint: { name } }, [Ship]);
      world.atEnd(() => app.close());
    }
    return [[exchange, '']];
  };

  describe('ends', () => {
    it.each([
      ['a count', { count: 3, ...LONG }],
      ['a deadline', { timeoutMs: 2_000 }],
    ])('after %s with the replies of all components behind an exchange', async (_what, options) => {
      const eks = await fleet();
      const caller = await world.caller();
      const names: unknown[] = [];
      for await (const reply of caller.to('', { eks }).gather<string>('ping', undefined, options)) {
        expect(reply.unwrap()).toBe('pong');
        names.push(reply.body.fingerprint['name']);
      }
      expect(sorted(names)).toEqual(['blue', 'green', 'red']);
      expectNothingPending(caller);
    });

    it('after its count, whatever else has come', async () => {
      const { gather, request, answer, caller } = await setUp();
      const values = valuesOf(gather({ count: 2, ...LONG }));
      answer(await request(), 1, 2, 3);
      expect(await values).toEqual([1, 2]);
      expectNothingPending(caller);
    });

    it('at its deadline with what has come by then', async () => {
      const { gather, request, answer, caller } = await setUp();
      const startedMs = performance.now();
      const values = valuesOf(gather({ count: 3, timeoutMs: 1_500 }));
      answer(await request(), 1, 2);
      expect(await values).toEqual([1, 2]);
      expect(performance.now() - startedMs).toBeGreaterThanOrEqual(1_490);
      expectNothingPending(caller);
    });

    it('at the deadline of its producer when it has none, without an error when nobody answers', async () => {
      const { gather, request, caller } = await setUp();
      const startedMs = performance.now();
      expect(await valuesOf(gather({}, { timeoutMs: 1_200, maxRetry: 4 }))).toEqual([]);
      expect(performance.now() - startedMs).toBeGreaterThanOrEqual(1_190);
      expect((await request()).properties).toMatchObject({ headers: { 'postage-attempt': 1 } });
      expectNothingPending(caller);
    });

    it('with the reply for which `until` is true, and gives that one', async () => {
      const { gather, request, answer, caller } = await setUp();
      const values = valuesOf(gather({ until: ({ value }) => value === 'enough', ...LONG }));
      answer(await request(), 'some', 'enough', 'too much');
      expect(await values).toEqual(['some', 'enough']);
      expectNothingPending(caller);
    });

    it('with what `until` throws', async () => {
      const { gather, request, answer, caller } = await setUp();
      const until = (): never => {
        throw new Error('can not tell');
      };
      const values = caught(valuesOf(gather({ until, ...LONG })));
      answer(await request(), 1);
      expect(await values).toEqual(new Error('can not tell'));
      expectNothingPending(caller);
    });

    it('for good: whoever asks on, or asks for several at once, is told so', async () => {
      const { gather, request, answer } = await setUp();
      const replies = gather({ count: 2, ...LONG });
      const asked = [replies.next(), replies.next(), replies.next()];
      answer(await request(), 'a', 'b', 'c');
      const given = await Promise.all(asked);
      expect(given.map(({ done, value }) => (done ? 'done' : value.value))).toEqual(['a', 'b', 'done']);
      expect(await replies.next()).toEqual({ done: true, value: undefined });
      expect(await valuesOf(replies)).toEqual([]);
    });
  });

  describe('sends', () => {
    it('nothing before the first reply is asked for, and once then', async () => {
      const { queue, gather, requests, caller } = await setUp();
      const replies = gather({ timeoutMs: 1_000 });
      await caller.to(queue).command('mark');
      expect(caller.snapshot().pending).toBe(0);
      const values = valuesOf(replies);
      const names = (await requests.take(2)).map(
        ({ content }) => (JSON.parse(content.toString()) as { name: string }).name,
      );
      expect(names).toEqual(['mark', 'ping']);
      await values;
      expect(requests.items).toHaveLength(2);
    });

    it('what a builder of the producer made', async () => {
      const { queue, request, answer, caller } = await setUp();
      const command = new Fleet().buildRpcCensus('north');
      const values = valuesOf(caller.to(queue).gather(command, { count: 1 }));
      const sent = await request();
      expect(parametersOf(sent)).toEqual({ area: 'north' });
      answer(sent, '12 ships');
      expect(await values).toEqual(['12 ships']);
    });

    it('a request that expires with it, and tells how long it will wait', async () => {
      const { gather, request } = await setUp();
      const replies = gather({ timeoutMs: 20_000 });
      const ended = replies.next();
      const { expiration, headers } = (await request()).properties;
      expect(Number(expiration)).toBeLessThanOrEqual(20_000);
      expect(Number(expiration)).toBeGreaterThan(10_000);
      expect(Number(headers?.['postage-remaining-ms'])).toBeLessThanOrEqual(20_000);
      await replies.return();
      await ended;
    });

    it('beyond the cap only in its turn, and what it sends then expires with the time that is left', async () => {
      const { queue, gather, request, caller } = await setUp({ maxReplyQueues: 1 });
      const held = caller.to(queue, { timeoutMs: 1_500, maxRetry: 0 }).rpc('held');
      await request();
      const replies = gather({ timeoutMs: 20_000 });
      const ended = caught(replies.next());
      expect(caller.snapshot()).toMatchObject({ pending: 1, waiting: 1 });
      const startedMs = performance.now();
      await held;
      const waitedMs = performance.now() - startedMs;
      expect(waitedMs).toBeGreaterThan(500);
      const { expiration, headers } = (await request(2)).properties;
      expect(Number(expiration)).toBeLessThanOrEqual(20_001 - waitedMs);
      expect(Number(headers?.['postage-remaining-ms'])).toBeLessThanOrEqual(20_001 - waitedMs);
      await replies.return();
      await ended;
    });

    it('nothing when it does not get its turn within its own deadline', async () => {
      const { queue, gather, request, requests, caller } = await setUp({ maxReplyQueues: 1 });
      const stop = new AbortController();
      const held = caught(caller.to(queue, { signal: stop.signal }).rpc('held'));
      await request();
      const error = await caught(valuesOf(gather({ timeoutMs: 300 })));
      expect(error).toMatchObject({ code: 'RPC_TIMEOUT', facts: { attempts: 0, command: 'ping' } });
      expect(caller.snapshot()).toMatchObject({ pending: 1, waiting: 0 });
      stop.abort();
      await held;
      expect(requests.items).toHaveLength(1);
    });
  });

  describe('that is left', () => {
    it('by a break cleans up at once, and later replies are dropped', async () => {
      const { gather, request, answer, caller } = await setUp();
      const replies = gather(LONG);
      const first = replies.next();
      answer(await request(), 'first');
      expect(await first).toMatchObject({ value: { value: 'first' } });
      answer(await request(), 'second');
      for await (const { value } of replies) {
        expect(value).toBe('second');
        break;
      }
      expectNothingPending(caller);
      expect(await replies.next()).toMatchObject({ done: true });

      answer(await request(), 'late');
      const next = valuesOf(gather({ count: 1, ...LONG }));
      const second = await request(2);
      expect(replyToOf(second)).not.toBe(replyToOf(await request()));
      answer(await request(), 'later');
      answer(second, 'in time');
      expect(await next).toEqual(['in time']);
    });

    it('by an error in the loop cleans up at once', async () => {
      const { gather, request, answer, caller } = await setUp();
      const loop = async (): Promise<void> => {
        for await (const { value } of gather(LONG)) throw new Error(String(value));
      };
      const error = caught(loop());
      answer(await request(), 'no good');
      expect(await error).toEqual(new Error('no good'));
      expectNothingPending(caller);
    });

    it('by return() while somebody waits for the next reply ends that wait', async () => {
      const { gather, request, caller } = await setUp();
      const replies = gather(LONG);
      const next = replies.next();
      await request();
      expect(caller.snapshot().pending).toBe(1);
      expect(await replies.return()).toEqual({ done: true, value: undefined });
      expect(await next).toEqual({ done: true, value: undefined });
      expectNothingPending(caller);
    });

    it('by return() before it could send ends that wait too, and nothing is sent', async () => {
      const { queue, gather, request, requests, caller } = await setUp({ maxReplyQueues: 1 });
      const stop = new AbortController();
      const held = caught(caller.to(queue, { signal: stop.signal }).rpc('held'));
      await request();
      const replies = gather(LONG);
      const next = caught(replies.next());
      expect(caller.snapshot()).toMatchObject({ pending: 1, waiting: 1 });

      expect(await replies.return()).toEqual({ done: true, value: undefined });

      await eventually(() => expect(caller.snapshot()).toMatchObject({ pending: 1, waiting: 0 }), 2_000);
      expect(await next).toEqual({ done: true, value: undefined });
      stop.abort();
      await held;
      await caller.to(queue).command('mark');
      await requests.take(2);
      expect(requests.items.map((each) => each.properties.replyTo !== undefined)).toEqual([true, false]);
    });

    it('by a consumer that never asks leaves nothing', async () => {
      const { gather, caller, requests, queue } = await setUp();
      await caller.to(queue).command('mark');
      const before = await world.queues();
      const replies = gather({ timeoutMs: 100 });
      expect(await replies.return()).toMatchObject({ done: true });
      for (let count = 0; count < 50; count += 1) gather({ timeoutMs: 100 });
      await caller.to(queue).command('mark');
      await requests.take(2);
      expect(requests.items).toHaveLength(2);
      expect(caller.snapshot()).toMatchObject({ pending: 0, waiting: 0, replyQueues: 0, directReplies: 0 });
      expect(await world.queues()).toEqual(before);
    });

    it('by a consumer that asks no more is cleaned up at the deadline, and what came by then can still be read', async () => {
      const { gather, request, answer, caller } = await setUp({ debug: true, log: false });
      const replies = gather({ timeoutMs: 1_500 });
      const first = replies.next();
      answer(await request(), 1, 2);
      expect(await first).toMatchObject({ value: { value: 1 } });
      await caller.events.of('message.received').take(2);
      expect(caller.snapshot().pending).toBe(1);
      await eventually(() => expectNothingPending(caller));
      expect(await valuesOf(replies)).toEqual([2]);
    });
  });

  it.each([
    ['that echo the correlation id', echoing],
    ['that send no properties', silent],
  ])('keeps 200 gatherings in parallel apart, from repliers %s', async (_what, propertiesOf) => {
    const { queue, peer, requests, caller } = await setUp();
    const numbers = Array.from({ length: 200 }, (_, n) => n);
    const gathered = numbers.map((n) => valuesOf(caller.to(queue).gather('ping', n, { count: 3, ...LONG })));
    const all = await requests.take(200);
    for (const round of [1, 2, 3, 4]) {
      for (const request of all.toSorted(() => Math.random() - 0.5))
        peer.send(replyToOf(request), resultBytes([parametersOf(request), round]), propertiesOf(request));
    }
    expect(await Promise.all(gathered)).toEqual(numbers.map((n) => [1, 2, 3].map((round) => [n, round])));
    expectNothingPending(caller);
  });
});

describe('gather refuses', () => {
  const fleet = new Fleet();
  it.each<[string, object]>([
    ['count', { count: 0 }],
    ['count', { count: -1 }],
    ['count', { count: 1.5 }],
    ['count', { count: Infinity }],
    ['count', { count: '2' }],
    ['timeoutMs', { timeoutMs: 0 }],
    ['timeoutMs', { timeoutMs: -1 }],
    ['timeoutMs', { timeoutMs: 1.5 }],
    ['timeoutMs', { timeoutMs: '5' }],
    ['until', { until: 'enough' }],
    ['maxRetry', { count: 1, maxRetry: 3 }],
    ['timeout', { timeout: 1 }],
  ])('a wrong %s at once, by its name: %j', (option, options) => {
    const refusal = expect.objectContaining({ code: 'INVALID_OPTION', option });
    expect(() => fleet.gather('ping', undefined, options)).toThrow(refusal);
    expect(() => fleet.gather(new RpcCommand('ping'), options)).toThrow(refusal);
  });

  it('what is no rpc', () => {
    const message = new MessageCommand('ping') as RpcCommand;
    expect(() => fleet.gather(message)).toThrow(/gather: takes the name of a command, or an RpcCommand/);
  });
});
