import type { ConsumeMessage } from 'amqplib';
import {
  MessageResult,
  MessageResultError,
  MessageResultException,
  Processor,
  Reply,
  RpcHandler,
  type ReplyFunction,
} from 'nestjs-postage';
import { of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, exception, failure, resultOf, rpc, success, useWorld } from './world.js';

const world = useWorld();

/** An application with one rpc handler `go`, and its queue. */
const answering = async (handler: () => unknown): Promise<{ queue: string }> => {
  const queue = uniqueName('answers');
  @Processor({ eqk: byName(queue) })
  class Answers {
    @RpcHandler('command', 'go')
    go(): unknown {
      return handler();
    }
  }
  await world.receive([Answers]);
  return { queue };
};

const cycle: Record<string, unknown> = {};
cycle['self'] = cycle;

describe('the value of an rpc handler', () => {
  it.each([
    ['a value', () => ({ a: [1, 'x', null] }), success({ a: [1, 'x', null] })],
    ['a falsy value', () => 0, success(0)],
    ['nothing', () => undefined, success(null)],
    ['a promise', async () => Promise.resolve('later'), success('later')],
    ['the last value of an observable', () => of(1, 2, 3), success(3)],
    ['an observable without values', () => of(), success(null)],
    ['a result', () => new MessageResult(5, 'a remark'), { type: 'success', value: 5, message: 'a remark' }],
    ['an error result', () => new MessageResultError('sold out'), failure('sold out')],
    [
      'an exception result',
      () => new MessageResultException('KeyError', "'x'"),
      exception('KeyError', "'x'"),
    ],
  ])('(%s) is the answer', async (_what, handler, expected) => {
    const { queue } = await answering(handler);
    expect(await world.resultOf(queue, rpc('go'))).toEqual(expected);
  });

  it('that can not be written is answered as an exception, and the next call is served', async () => {
    let value: unknown = cycle;
    const { queue } = await answering(() => value);

    expect(await world.resultOf(queue, rpc('go'))).toMatchObject({
      type: 'exception',
      value: 'EncodingError',
    });
    value = Symbol('x');
    expect(await world.resultOf(queue, rpc('go'))).toMatchObject({ type: expect.any(String) as string });
    value = 'fine';
    expect(await world.resultOf(queue, rpc('go'))).toEqual(success('fine'));
  });
});

describe('a reply', () => {
  it('echoes the correlation id of a request that has one, and has none otherwise', async () => {
    const { queue } = await answering(() => 'x');

    const [withId] = await (await world.ask(queue, rpc('go'), { correlationId: 'call-7' })).take(1);
    const [without] = await (await world.ask(queue, rpc('go'))).take(1);

    expect(withId?.properties.correlationId).toBe('call-7');
    expect(without?.properties.correlationId).toBeUndefined();
    expect(without?.properties.contentType).toBe('application/json');
  });

  it('to a caller that has gone is given up in peace', async () => {
    const { queue } = await answering(() => 'x');
    world.send(queue, rpc('go'), { replyTo: 'no-such-queue' });
    expect(await world.resultOf(queue, rpc('go'))).toEqual(success('x'));
  });

  it('is not sent where nobody asked for one', async () => {
    let runs = 0;
    const { queue } = await answering(() => (runs += 1));
    world.send(queue, rpc('go'));
    expect(await world.resultOf(queue, rpc('go'))).toEqual(success(2));
  });
});

describe('the reply function', () => {
  const replying = async (
    handler: (reply: ReplyFunction) => unknown,
  ): Promise<{ queue: string } & Awaited<ReturnType<typeof world.receive>>> => {
    const queue = uniqueName('replies');
    @Processor({ eqk: byName(queue) })
    class Replies {
      @RpcHandler('command', 'go')
      go(@Reply() reply: ReplyFunction): unknown {
        return handler(reply);
      }
    }
    return { queue, ...(await world.receive([Replies])) };
  };

  it('answers while the handler goes on, which is waited for when the application closes', async () => {
    const gate = new Inbox<string>();
    const steps: string[] = [];
    const { queue, app } = await replying(async (reply) => {
      reply('accepted');
      await gate.take(1);
      steps.push('done');
    });

    expect(await world.resultOf(queue, rpc('go'))).toEqual(success('accepted'));
    expect(steps).toEqual([]);
    const closed = app.close();
    gate.push('open');
    await closed;
    expect(steps).toEqual(['done']);
  });

  it('counts once: a second answer, a returned value or a later failure changes nothing', async () => {
    const { queue, events } = await replying((reply) => {
      reply(new MessageResultError('first'));
      reply('second');
      throw new Error('third');
    });

    const replies = await world.ask(queue, rpc('go'));
    const again = await world.ask(queue, rpc('go'));

    await again.take(1);
    expect(replies.items.map(resultOf)).toEqual([failure('first')]);
    expect(await events.of('handler.failed').take(2)).toMatchObject([{ handler: 'Replies.go' }, {}]);
    expect(events.of('reply.repeated').items).toMatchObject([{ handler: 'Replies.go' }, {}]);
  });

  it('may be left alone by a handler that returns its answer', async () => {
    const { queue } = await replying(() => 'returned');
    expect(await world.resultOf(queue, rpc('go'))).toEqual(success('returned'));
  });

  it('that was never called is answered for, so that the caller need not wait', async () => {
    const { queue } = await replying(() => undefined);
    expect(await world.resultOf(queue, rpc('go'))).toMatchObject({
      type: 'exception',
      value: 'NoReplyError',
    });
  });

  it('answers null when it is called without a value', async () => {
    const { queue } = await replying((reply) => reply());
    const [reply] = await (await world.ask(queue, rpc('go'))).take(1);
    expect(resultOf(reply as ConsumeMessage)).toEqual(success(null));
  });
});
