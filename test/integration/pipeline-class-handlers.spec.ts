import {
  Injectable,
  Scope,
  UseGuards,
  UseInterceptors,
  type CanActivate,
  type NestInterceptor,
  type OnModuleDestroy,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import {
  MessageFilter,
  MessageHandler,
  Parameters,
  PostageContext,
  Processor,
  RpcHandler,
  type Eqk,
  type Handler,
} from 'nestjs-postage';
import { map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, command, failure, message, PEER, rpc, success, useWorld, sorted } from './world.js';

const world = useWorld();

@Injectable()
class Index {
  readonly rebuilt = new Inbox<unknown>();
}

const doubled: NestInterceptor = {
  intercept: (_host, next) => next.handle().pipe(map((value) => [value, value])),
};

const friendsOnly: CanActivate = {
  canActivate: (host) => host.switchToRpc().getContext<PostageContext>().headers['friend'] === true,
};

/** The queue that an application without processors consumes. */
const ownQueue = (): { queue: string; options: { eqk: Eqk } } => {
  const queue = uniqueName('own');
  return { queue, options: { eqk: byName(queue) } };
};

describe('a handler written as a class', () => {
  @MessageHandler('command', 'reindex')
  class ReindexHandler implements Handler {
    constructor(readonly index: Index) {}

    call(content: unknown, context: PostageContext): void {
      this.index.rebuilt.push([content, context.fingerprint, context.constructor.name]);
    }
  }

  it.each([
    ['a controller', (handler: Type) => ({ controllers: [handler], providers: [] })],
    ['a provider', (handler: Type) => ({ controllers: [], providers: [handler] })],
  ])('lives once when it is listed as %s: each lifecycle hook is called once', async (_where, listed) => {
    const hooks: string[] = [];
    const { queue, options } = ownQueue();
    @MessageHandler('command', 'hooked')
    class HookedHandler implements Handler, OnModuleInit, OnModuleDestroy {
      readonly handled = new Inbox<unknown>();
      onModuleInit = (): number => hooks.push('init');
      onModuleDestroy = (): number => hooks.push('destroy');

      call(content: unknown): void {
        this.handled.push(content);
      }
    }
    const { controllers, providers } = listed(HookedHandler);
    const { app } = await world.receive(controllers, { options, extra: { providers } });
    world.peer.publish('', queue, command('hooked', 1));
    await app.get(HookedHandler).handled.take(1);
    await app.close();
    expect(hooks).toEqual(['init', 'destroy']);
  });

  it.each([
    ['a controller', [ReindexHandler], [Index]],
    ['a provider', [], [Index, ReindexHandler]],
  ])(
    'is found when it is listed as %s, and gets content and context',
    async (_where, controllers, providers) => {
      const { queue, options } = ownQueue();
      const { app } = await world.receive(controllers, { options, extra: { providers } });

      world.send(queue, command('reindex', 'all'));

      expect(await app.get(Index).rebuilt.take(1)).toEqual([[{ parameters: 'all' }, PEER, 'PostageContext']]);
    },
  );

  it('answers rpcs, with guards, filters and interceptors of its own', async () => {
    @UseGuards(friendsOnly)
    @UseInterceptors(doubled)
    @RpcHandler('command', 'echo')
    @MessageFilter((content: { parameters: string }) => ({ parameters: `${content.parameters}!` }))
    class Echo implements Handler<{ parameters: string }> {
      call({ parameters }: { parameters: string }): string {
        return parameters;
      }
    }
    const { queue, options } = ownQueue();
    await world.receive([], { options, extra: { providers: [Echo] } });

    const inbox = await world.ask(queue, call('echo', 'hi'), { headers: { friend: true } });
    expect(JSON.parse(String((await inbox.take(1))[0]?.content))).toMatchObject({
      content: success(['hi!', 'hi!']),
    });
    expect(await world.resultOf(queue, call('echo', 'hi'))).toEqual(failure('Forbidden resource'));
  });

  it('keeps its own decorators of parameters', async () => {
    @RpcHandler('command', 'greet')
    class Greet implements Handler<string> {
      call(@Parameters() name: string): string {
        return `hello ${name}`;
      }
    }
    const { queue, options } = ownQueue();
    await world.receive([Greet], { options });

    expect(await world.resultOf(queue, call('greet', 'eu'))).toEqual(success('hello eu'));
  });

  it('serves the queues of its own `@Processor`, whichever of the two is written first', async () => {
    const [above, below] = [uniqueName('above'), uniqueName('below')];
    @Processor({ eqk: byName(above) })
    @RpcHandler('command', 'where')
    class Above implements Handler {
      call(_content: unknown, { queue }: PostageContext): string {
        return queue;
      }
    }
    @RpcHandler('command', 'where')
    @Processor({ eqk: byName(below) })
    class Below implements Handler {
      call(_content: unknown, { queue }: PostageContext): string {
        return queue;
      }
    }
    await world.receive([Above, Below]);

    expect(await world.resultOf(above, rpc('where'))).toEqual(success(above));
    expect(await world.resultOf(below, rpc('where'))).toEqual(success(below));
  });

  it('takes several patterns', async () => {
    const seen = new Inbox<unknown>();
    @MessageHandler('command', 'one')
    @MessageHandler('command', 'two')
    class Several implements Handler {
      call(_content: unknown, { name }: PostageContext): void {
        seen.push(name);
      }
    }
    const { queue, options } = ownQueue();
    await world.receive([Several], { options });

    world.send(queue, message('one'));
    world.send(queue, message('two'));

    expect(sorted(await seen.take(2))).toEqual(['one', 'two']);
  });

  it('may inherit its method, or replace it, from a class that is a handler itself', async () => {
    abstract class Base implements Handler {
      abstract readonly answer: string;

      call(_content: unknown, { name }: PostageContext): unknown {
        return [this.answer, name];
      }
    }
    @RpcHandler('command', 'a')
    class A extends Base {
      readonly answer: string = 'a';
    }
    @RpcHandler('command', 'b')
    class B extends A {
      override readonly answer = 'b';
    }
    @RpcHandler('command', 'c')
    class C extends A {
      override call(_content: unknown, { name }: PostageContext): unknown {
        return ['c', name];
      }
    }
    const { queue, options } = ownQueue();
    await world.receive([A, B, C], { options });

    for (const name of ['a', 'b', 'c']) {
      expect(await world.resultOf(queue, rpc(name))).toEqual(success([name, name]));
    }
  });

  it('keeps the scope that `@Injectable` gives it, whichever of the two is written first', async () => {
    const instances = new Inbox<object>();
    @Injectable({ scope: Scope.REQUEST })
    @MessageHandler('command', 'count')
    class Above implements Handler {
      call(): void {
        instances.push(this);
      }
    }
    @MessageHandler('command', 'count')
    @Injectable({ scope: Scope.REQUEST })
    class Below implements Handler {
      call(): void {
        instances.push(this);
      }
    }
    const { queue, options } = ownQueue();
    await world.receive([], { options, extra: { providers: [Above, Below] } });

    world.send(queue, message('count'));
    world.send(queue, message('count'));

    expect(new Set(await instances.take(4)).size).toBe(4);
  });

  it('without a method `call` is refused where it is decorated', () => {
    class Nothing {}
    const decorate: (target: never) => void = MessageHandler('command', 'x');
    expect(() => decorate(Nothing as never)).toThrow(/MessageHandler Nothing.*call\(content, context\)/);
  });
});
