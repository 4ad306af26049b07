import { BadRequestException } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import {
  GenericConsumer,
  MessageFilter,
  MessageResult,
  MessageResultError,
  MessageResultException,
  Parameters,
  Reply,
  RpcHandler,
  type ReplyFunction,
} from 'nestjs-postage';
import { EMPTY, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { Asker, Gate, resultIn, serve, type Doing } from './rpc-once-asker.js';
import { useRpcWorld } from './rpc-world.js';
import { call, exception, failure, message, rpc, success, type Result } from './world.js';

const DIRECT = 'amq.rabbitmq.reply-to';

class OutOfPaper extends Error {}

const cycle: Record<string, unknown> = {};
cycle['self'] = cycle;

const unwritable = expect.objectContaining({ type: 'exception', value: 'EncodingError' }) as Result;

/** What nobody outside of this process may see. */
const INSIDES = /rpc-answers|\.spec|\.ts\b|node_modules|node:internal|file:|\n\s*at |\\n\s*at |secret/;

describe.each(TEST_BROKERS)('the answer of an rpc on $broker', ({ open }) => {
  const world = useRpcWorld(open);

  /** A server whose handler answers through the reply function, as the test wants. */
  const replying = async (
    handler: (reply: ReplyFunction, parameters: unknown) => unknown,
    drainTimeoutMs = 10_000,
  ) => {
    const queue = uniqueName('replying');
    class Handlers {
      @RpcHandler('command', 'go')
      go(@Reply() reply: ReplyFunction, @Parameters() parameters: unknown): unknown {
        return handler(reply, parameters);
      }

      @RpcHandler('command', 'mark')
      mark(): void {}
    }
    const { app, events } = await world.server(queue, Handlers, { drainTimeoutMs });
    const consumer = app.get(GenericConsumer);
    const inFlight = (): number | undefined => consumer.snapshot[0]?.inFlight;
    const atRest = (): Promise<void> => eventually(() => expect(inFlight()).toBe(0));
    return { queue, app, events, inFlight, atRest, asker: await Asker.of(world) };
  };

  describe('through the reply function', () => {
    it('is there while the handler works on, which counts as in flight, and is waited for at the end', async () => {
      const gate = new Gate();
      const steps: string[] = [];
      const { queue, app, asker, inFlight } = await replying(async (reply) => {
        reply('accepted');
        await gate.passed();
        steps.push('done');
      });
      asker.ask(queue);
      expect(resultIn(await asker.first())).toEqual(success('accepted'));
      expect([inFlight(), steps]).toEqual([1, []]);

      const closed = app.close().then(() => steps.push('closed'));
      await eventually(() => expect(app.get(GenericConsumer).snapshot[0]?.attached).toBe(false));
      gate.open();
      await closed;

      expect(steps).toEqual(['done', 'closed']);
      expect(inFlight()).toBe(0);
    });

    it.each<[string, (reply: ReplyFunction) => unknown]>([
      ['a second reply', (reply) => reply('second')],
      ['a second reply, which is an error', (reply) => reply(new MessageResultError('second'))],
      ['a returned value', () => 'second'],
      ['the value of a promise', () => Promise.resolve('second')],
      ['the value of an observable', () => of('second')],
      ['a falsy value', () => 0],
      ['null', () => null],
    ])('is the only one: %s is reported, and ignored', async (_what, again) => {
      const { queue, events, asker, atRest } = await replying((reply) => {
        reply('first');
        return again(reply);
      });
      asker.ask(queue);
      await asker.first();
      await atRest();
      expect((await asker.repliesUntilMark(queue)).map(resultIn)).toEqual([success('first')]);
      expect(events.of('reply.repeated').items).toMatchObject([
        { handler: 'Server.go', at: { queue }, message: { category: 'rpc', type: 'command', name: 'go' } },
      ]);
    });

    it('is reported and ignored when it comes after the handler has ended', async () => {
      let late: ReplyFunction | undefined;
      const { queue, events, asker, atRest } = await replying((reply) => {
        late = reply;
        return 'in time';
      });
      asker.ask(queue);
      await asker.first();
      await atRest();
      late?.('too late');
      expect(await events.of('reply.repeated').take(1)).toMatchObject([{ handler: 'Server.go' }]);
      expect((await asker.repliesUntilMark(queue)).map(resultIn)).toEqual([success('in time')]);
    });

    it.each<[string, unknown, Result]>([
      ['nothing', undefined, success(null)],
      ['an error result', new MessageResultError('sold out'), failure('sold out')],
      ['an exception result', new MessageResultException('KeyError', "'x'"), exception('KeyError', "'x'")],
      ['a BigInt', 7n, unwritable],
      ['a cycle', cycle, unwritable],
    ])('may be %s', async (_what, value, expected) => {
      const { queue, asker } = await replying((reply) => reply(value));
      asker.ask(queue);
      expect(resultIn(await asker.first())).toEqual(expected);
    });
  });

  it.each<[string, unknown]>([
    ['a BigInt', { id: 7n }],
    ['a cycle', cycle],
  ])(
    'that can not be written (%s) is an exception, which is reported; the next call is served',
    async (_what, value) => {
      const { queue, events, atRest } = await serve(world, (parameters) =>
        parameters === 'good' ? 'fine' : value,
      );
      const calls = (await world.caller()).to(queue);
      expect(await calls.rpc('go')).toMatchObject({ ok: false, type: 'exception', value: 'EncodingError' });
      expect((await calls.rpc('go', 'good')).unwrap()).toBe('fine');
      await atRest();
      expect(events.of('reply.unencodable').items).toMatchObject([
        { at: { queue }, error: { code: 'ENCODING_FAILED' } },
      ]);
      expect(events.of('handler.failed').items).toEqual([]);
    },
  );

  it.each<[string, () => unknown, Partial<Result>]>([
    ['undefined', () => undefined, exception('Error', 'undefined')],
    ['null', () => null, exception('Error', 'null')],
    ['a text', () => 'just a text', exception('Error', 'just a text')],
    ['a plain object', () => ({ code: 7 }), { type: 'exception' }],
    ['an object with a message', () => ({ message: 'sold out' }), { type: 'exception', message: 'sold out' }],
  ])(
    'to a call whose handler throws %s is an exception: nothing says that it was expected',
    async (_what, make, expected) => {
      const { queue } = await serve(world, () => {
        throw make();
      });
      const asker = await Asker.of(world);
      asker.ask(queue);
      expect(resultIn(await asker.first())).toMatchObject(expected);
    },
  );

  it.each<[string, () => unknown]>([
    ['an error', () => new OutOfPaper('tray 2')],
    ['an error with a cause', () => new OutOfPaper('tray 2', { cause: new Error('the secret cause') })],
    ['several errors', () => new AggregateError([new Error('the secret cause')], 'all failed')],
    ['an error of the engine', () => Reflect.get({ make: () => JSON.parse('{') }, 'make')],
    ['a refusal', () => new BadRequestException('not like that', { cause: new Error('the secret cause') })],
    ['a refusal made of an error', () => new RpcException(new OutOfPaper('tray 2'))],
    ['an object that has a stack', () => ({ message: 'sold out', stack: new Error('x').stack })],
    ['an object that has a stack and no message', () => ({ code: 7, stack: new Error('x').stack })],
    ['an exception result of an error', () => MessageResultException.from(new OutOfPaper('tray 2'))],
  ])('to %s never shows a stack', async (_what, make) => {
    const { queue } = await serve(world, (parameters) => {
      const thrown = make();
      if (parameters === 'throw') throw typeof thrown === 'function' ? (thrown as () => unknown)() : thrown;
      return thrown;
    });
    const asker = await Asker.of(world);
    asker.ask(queue, {}, 'throw');
    const { content } = await asker.first();
    expect(content.toString()).not.toMatch(INSIDES);
  });

  it('comes at once where nobody can give one, and the next call is served, also one at a time', async () => {
    const queue = uniqueName('at-once');
    const refuse = (): never => {
      throw new OutOfPaper('not today');
    };
    class Handlers {
      @MessageFilter(refuse)
      @RpcHandler('command', 'filtered')
      filtered(): void {}

      @RpcHandler('command', 'mark')
      mark(): void {}
    }
    const { app, events } = await world.server(queue, Handlers, { prefetch: 1 });
    const [asker, calls] = [
      await Asker.of(world),
      (await world.caller()).to(queue, { timeoutMs: 1_000_000 }),
    ];
    asker.send(queue, message('unknown'), { replyTo: undefined });
    asker.send(queue, rpc('unknown'));
    asker.send(queue, call('filtered', 1));
    asker.send(queue, '{"type":');
    asker.send(queue, { ...rpc('mark'), content: 7 });

    const replies = await asker.repliesUntilMark(queue);

    expect(replies.map(resultIn)).toMatchObject([
      exception('NoHandlerError', 'nobody handles rpc command "unknown"'),
      exception('OutOfPaper', 'not today'),
      { type: 'exception', value: 'MalformedMessageError' },
      exception('MalformedMessageError', 'body.content must be an object'),
    ]);
    expect(replies.map(({ content }) => content.toString()).join()).not.toMatch(INSIDES);
    expect(await calls.rpc('unknown')).toMatchObject({ type: 'exception', value: 'NoHandlerError' });
    expect(app.get(GenericConsumer).snapshot).toMatchObject([{ queue, unhandled: 3 }]);
    expect(events.of('message.filtered').items).toMatchObject([{ handler: 'Server.filtered' }]);
    expect(events.of('message.malformed').items).toHaveLength(2);
    await eventually(async () => expect(app.get(GenericConsumer).snapshot[0]?.inFlight).toBe(0));
    expect(await asker.peer.waitingIn(queue)).toBe(0);
  });

  it('goes out to a peer that consumes direct replies, who needs no queue for it', async () => {
    const { queue, events, atRest } = await serve(world, (parameters) => parameters);
    const [peer, replies] = [await world.peer(), new Inbox<unknown>()];
    const ask = (parameters: unknown): void =>
      peer.send(queue, Buffer.from(JSON.stringify(call('go', parameters))), {
        replyTo: DIRECT,
        correlationId: `of ${String(parameters)}`,
      });
    await peer.serve(DIRECT, (reply) =>
      replies.push([reply.properties.correlationId, resultIn(reply).value]),
    );
    for (const number of [1, 2, 3]) ask(number);
    expect(new Set(await replies.take(3))).toEqual(
      new Set([
        ['of 1', 1],
        ['of 2', 2],
        ['of 3', 3],
      ]),
    );
    await atRest();
    expect(events.of('reply.undeliverable').items).toEqual([]);
  });

  it('goes out to a caller of ours that consumes direct replies, but not to one whose queue has gone', async () => {
    const { queue, events, atRest } = await serve(world, (_parameters, { properties }) => properties.replyTo);
    expect((await (await world.caller()).to(queue).rpc('go')).unwrap()).toContain(`${DIRECT}.`);
    await atRest();
    expect(events.of('reply.undeliverable').items).toEqual([]);
    (await Asker.of(world)).ask(queue, { replyTo: uniqueName('nobody') });
    expect(await events.of('reply.undeliverable').take(1)).toMatchObject([
      { at: { queue }, error: { code: 'UNROUTABLE' } },
    ]);
  });
});

/** What the tests named outcomes-* and pipeline-* say of RabbitMQ. */
describe.each(TEST_BROKERS.filter(({ broker }) => broker === 'MemoryBroker'))(
  'an rpc on $broker',
  ({ open }) => {
    const world = useRpcWorld(open);

    const thrown =
      (make: () => unknown): (() => never) =>
      () => {
        throw make();
      };

    it.each<[string, Doing, Result]>([
      ['a value', () => ({ a: [1, 'x', null] }), success({ a: [1, 'x', null] })],
      ['a falsy value', () => 0, success(0)],
      ['nothing', () => undefined, success(null)],
      ['a promise', () => Promise.resolve('later'), success('later')],
      ['the last value of an observable', () => of(1, 2, 3), success(3)],
      ['the last value of an observable that is promised', () => Promise.resolve(of(1, 2)), success(2)],
      ['an observable without values', () => EMPTY, success(null)],
      ['a result', () => new MessageResult(5, 'a remark'), { ...success(5), message: 'a remark' }],
      ['an error result', () => new MessageResultError('sold out'), failure('sold out')],
      [
        'an exception result',
        () => new MessageResultException('KeyError', "'x'"),
        exception('KeyError', "'x'"),
      ],
      ['a reply', (_parameters, { reply }) => reply(7), success(7)],
      ['a reply without a value', (_parameters, { reply }) => reply(), success(null)],
      ['an error', thrown(() => new OutOfPaper('tray 2')), exception('OutOfPaper', 'tray 2')],
      ['a rejection', () => Promise.reject(new OutOfPaper('tray 2')), exception('OutOfPaper', 'tray 2')],
      [
        'a refusal',
        thrown(() => new BadRequestException(['a is wrong', 'b too'])),
        failure('a is wrong; b too'),
      ],
      ['a refusal of its own', thrown(() => new RpcException('sold out')), failure('sold out')],
      [
        'an error result that is thrown',
        thrown(() => new MessageResultError('sold out')),
        failure('sold out'),
      ],
    ])('is answered with %s of its handler, once, and is done with', async (_what, doing, expected) => {
      const { queue, atRest } = await serve(world, doing);
      const asker = await Asker.of(world);
      asker.ask(queue, { correlationId: 'mine' });
      const reply = await asker.first();
      await atRest();
      expect((await asker.repliesUntilMark(queue)).map(resultIn)).toEqual([expected]);
      expect(reply.properties).toMatchObject({ correlationId: 'mine', contentType: 'application/json' });
      expect(await asker.peer.waitingIn(queue)).toBe(0);
    });

    it('without an address is handled, and not answered', async () => {
      const runs = new Inbox<unknown>();
      const { queue } = await serve(world, (parameters) => runs.push(parameters));
      const asker = await Asker.of(world);
      asker.ask(queue, { replyTo: undefined }, 1);
      await runs.take(1);
      expect(await asker.repliesUntilMark(queue)).toEqual([]);
    });

    it('that two handlers would answer stops the start, which names both', async () => {
      class Contested {
        @RpcHandler('command', 'sum')
        add(): void {}

        @RpcHandler('command', 'sum')
        plus(): void {}
      }
      await expect(world.server(uniqueName('contested'), Contested)).rejects.toMatchObject({
        code: 'DUPLICATE_HANDLER',
        handlers: ['Server.add', 'Server.plus'],
        message: expect.stringMatching(/Server\.add.*Server\.plus/) as string,
      });
    });
  },
);
