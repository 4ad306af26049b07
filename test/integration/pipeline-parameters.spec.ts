import { Ctx, Payload } from '@nestjs/microservices';
import {
  Content,
  MessageFilter,
  MessageHandler,
  MessageHandlerFullBody,
  Parameters,
  PostageContext,
  Processor,
  Reply,
  RpcHandler,
  Sender,
  type FingerprintDict,
  type MessageBody,
  type ReplyFunction,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, command, message, PEER, rpc, success, useWorld } from './world.js';

const world = useWorld();

interface Seen {
  readonly content: unknown;
  readonly parameters: unknown;
  readonly payload: unknown;
  readonly sender: unknown;
  readonly context: PostageContext;
  readonly reply: ReplyFunction;
}

/** One handler of each kind, each with every decorator there is. */
const everything = async (): Promise<{ queue: string; seen: Inbox<Seen> }> => {
  const queue = uniqueName('everything');
  const seen = new Inbox<Seen>();
  @Processor({ eqk: byName(queue) })
  class Everything {
    @MessageHandler('command', 'content')
    onContent(
      @Content() content: object,
      @Parameters() parameters: unknown,
      @Payload() payload: object,
      @Sender() sender: FingerprintDict,
      @Ctx() context: PostageContext,
      @Reply() reply: ReplyFunction,
    ): void {
      seen.push({ content, parameters, payload, sender, context, reply });
    }

    @MessageHandlerFullBody('command', 'body')
    onBody(
      @Reply() reply: ReplyFunction,
      @Ctx() context: PostageContext,
      @Sender() sender: FingerprintDict,
      @Payload() payload: MessageBody,
      @Parameters() parameters: unknown,
      @Content() content: object,
    ): void {
      seen.push({ content, parameters, payload, sender, context, reply });
    }

    @RpcHandler('command', 'rpc')
    onRpc(
      @Content() content: object,
      @Parameters() parameters: unknown,
      @Payload() payload: object,
      @Sender() sender: FingerprintDict,
      @Ctx() context: PostageContext,
      @Reply() reply: ReplyFunction,
    ): void {
      seen.push({ content, parameters, payload, sender, context, reply });
      reply('seen');
    }
  }
  await world.receive([Everything]);
  return { queue, seen };
};

describe('the decorators of parameters', () => {
  it('give content, parameters, sender, context and reply function to a message handler', async () => {
    const { queue, seen } = await everything();
    world.send(queue, command('content', { a: 1 }));

    const [one] = await seen.take(1);
    expect(one).toMatchObject({ parameters: { a: 1 }, sender: PEER });
    expect(one?.content).toEqual({ parameters: { a: 1 } });
    expect(one?.payload).toEqual({ parameters: { a: 1 } });
    expect(one?.context).toBeInstanceOf(PostageContext);
    expect(() => one?.reply('nobody waits')).not.toThrow();
  });

  it('give the same to a handler of the full body, and the body as its payload', async () => {
    const { queue, seen } = await everything();
    world.send(queue, { ...command('body', [1, 2]), extra: 'kept' });

    const [one] = await seen.take(1);
    expect(one).toMatchObject({ parameters: [1, 2], content: { parameters: [1, 2] }, sender: PEER });
    expect(one?.payload).toEqual({ ...command('body', [1, 2]), extra: 'kept' });
    expect(JSON.parse(JSON.stringify(one?.payload))).toEqual({ ...command('body', [1, 2]), extra: 'kept' });
    expect(one?.context.body).toEqual(one?.payload);
  });

  it('give the same to an rpc handler, and a reply function that answers', async () => {
    const { queue, seen } = await everything();

    expect(await world.resultOf(queue, call('rpc', null))).toEqual(success('seen'));

    expect((await seen.take(1))[0]).toMatchObject({
      parameters: null,
      content: { parameters: null },
      sender: PEER,
    });
  });

  it('give what there is of a message that is no command', async () => {
    const queue = uniqueName('status');
    const seen = new Inbox<unknown>();
    @Processor({ eqk: byName(queue) })
    class Statuses {
      @MessageHandler('status', 'online')
      online(@Parameters() parameters: unknown, @Content() content: object, @Sender() sender: object): void {
        seen.push({ parameters, content, sender });
      }
    }
    await world.receive([Statuses]);

    world.send(queue, message('online', { type: 'status', fingerprint: {} }));

    expect(await seen.take(1)).toEqual([{ parameters: undefined, content: {}, sender: {} }]);
  });

  it('give what a filter made of the content', async () => {
    const queue = uniqueName('replaced');
    const seen = new Inbox<unknown>();
    const replaced = Object.freeze({ parameters: 'replaced' });
    @Processor({ eqk: byName(queue) })
    class Replaced {
      @MessageFilter(() => replaced)
      @MessageHandlerFullBody('command', 'go')
      body(
        @Payload() body: MessageBody,
        @Parameters() parameters: unknown,
        @Content() content: object,
      ): void {
        seen.push([body.content, parameters, content]);
      }

      @MessageFilter(() => replaced)
      @RpcHandler('command', 'go')
      rpc(
        @Payload() payload: object,
        @Parameters() parameters: unknown,
        @Content() content: object,
        @Ctx() context: PostageContext,
      ): unknown {
        return [payload, parameters, content, context.content];
      }
    }
    await world.receive([Replaced]);

    world.send(queue, command('go', 'original'));

    expect(await seen.take(1)).toEqual([[replaced, 'replaced', replaced]]);
    expect(await world.resultOf(queue, call('go', 'original'))).toEqual(
      success([replaced, 'replaced', replaced, replaced]),
    );
  });

  it('give a content that a filter made a text or null', async () => {
    const queue = uniqueName('text');
    @Processor({ eqk: byName(queue) })
    class Texts {
      @MessageFilter(({ parameters }: { parameters: unknown }) => parameters)
      @RpcHandler('command', 'content')
      content(@Content() content: unknown): unknown {
        return [content];
      }

      @MessageFilter(({ parameters }: { parameters: unknown }) => parameters)
      @RpcHandler('command', 'undecorated')
      undecorated(content: unknown): unknown {
        return [content];
      }
    }
    await world.receive([Texts]);

    for (const name of ['content', 'undecorated']) {
      for (const value of ['a text', null, 7, ['a', 'list']]) {
        expect(await world.resultOf(queue, call(name, value))).toEqual(success([value]));
      }
    }
  });
});

describe('a method without decorated parameters', () => {
  it('gets the content, or the body where it asked for the full body', async () => {
    const queue = uniqueName('plain');
    const seen = new Inbox<readonly unknown[]>();
    @Processor({ eqk: byName(queue) })
    class Plain {
      @MessageHandler('command', 'content')
      content(...all: unknown[]): void {
        seen.push(all);
      }

      @MessageHandlerFullBody('command', 'body')
      body(...all: unknown[]): void {
        seen.push(all);
      }

      @RpcHandler('command', 'rpc')
      rpc(...all: unknown[]): unknown {
        return all;
      }
    }
    await world.receive([Plain]);

    world.send(queue, command('content', 1));
    world.send(queue, command('body', 2));

    expect(await seen.take(2)).toEqual([[{ parameters: 1 }], [command('body', 2)]]);
    expect(await world.resultOf(queue, call('rpc', 3))).toEqual(success([{ parameters: 3 }]));
  });
});

describe('the context', () => {
  it('tells where the message came from and what the broker knows of it', async () => {
    const queue = uniqueName('context');
    const exchange = world.exchange('topic');
    const seen = new Inbox<PostageContext>();
    @Processor({ eqk: [[exchange, [[queue, 'a.#']]]] })
    class Contexts {
      @MessageHandler('command')
      any(@Ctx() context: PostageContext): void {
        seen.push(context);
      }
    }
    await world.receive([Contexts]);

    world.peer.publish(exchange.name, 'a.b', command('go', 1), {
      headers: { tenant: 'eu' },
      priority: 3,
      messageId: 'm1',
    });

    const [context] = await seen.take(1);
    expect(context).toMatchObject({ queue, exchange: exchange.name, routingKey: 'a.b', redelivered: false });
    expect(context).toMatchObject({ category: 'message', type: 'command', name: 'go', fingerprint: PEER });
    expect(context?.content).toEqual({ parameters: 1 });
    expect(context?.body).toEqual(command('go', 1));
    expect(context?.headers).toEqual({ tenant: 'eu' });
    expect(context?.properties).toMatchObject({ priority: 3, messageId: 'm1' });
  });

  it('has no headers where the message has none, and a name that need not be a text', async () => {
    const queue = uniqueName('context');
    @Processor({ eqk: byName(queue) })
    class Contexts {
      @RpcHandler('status')
      any(@Ctx() { headers, name }: PostageContext): unknown {
        return { headers, name };
      }
    }
    await world.receive([Contexts]);

    expect(await world.resultOf(queue, rpc({ load: 3 }, { type: 'status' }))).toEqual(
      success({ headers: {}, name: { load: 3 } }),
    );
  });
});
