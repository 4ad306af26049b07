import { Injectable, Module, Scope, UseInterceptors, type NestInterceptor } from '@nestjs/common';
import {
  MessageFilter,
  MessageHandler,
  MessageHandlerFullBody,
  Parameters,
  Processor,
  RpcHandler,
} from 'nestjs-postage';
import { map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, command, message, rpc, success, useWorld, sorted } from './world.js';

const world = useWorld();

@Injectable()
class Index {
  readonly rebuilt = new Inbox<unknown>();
}

const doubled: NestInterceptor = {
  intercept: (_host, next) => next.handle().pipe(map((value) => [value, value])),
};

describe('several patterns on one method', () => {
  it('each lead to it, and one message runs it once', async () => {
    const queue = uniqueName('stacked');
    const seen = new Inbox<unknown>();
    @Processor({ eqk: byName(queue), prefetch: 1 })
    class Stacked {
      @MessageHandler('command', 'one')
      @MessageHandler('command', 'two')
      @MessageHandler('command', 'two')
      @MessageHandler('status', 'three')
      on(content: unknown): void {
        seen.push(content);
      }
    }
    const { events } = await world.receive([Stacked]);

    world.send(queue, command('one', 1));
    world.send(queue, command('two', 2));
    world.send(queue, message('three', { type: 'status', content: { n: 3 } }));
    world.send(queue, message('four'));

    await events.of('message.unhandled').take(1);
    expect(seen.items).toEqual([{ parameters: 1 }, { parameters: 2 }, { n: 3 }]);
  });

  it('of both categories are refused where they are decorated', () => {
    const decorate = (): unknown => {
      class Mixed {
        @MessageHandler('command', 'x')
        @RpcHandler('command', 'x')
        on(): void {}
      }
      return Mixed;
    };
    expect(decorate).toThrow(/both messages and rpcs/);
  });

  it('with two kinds of payload are refused where they are decorated', () => {
    const decorate = (): unknown => {
      class Mixed {
        @MessageHandler('command', 'x')
        @MessageHandlerFullBody('command', 'y')
        on(): void {}
      }
      return Mixed;
    };
    expect(decorate).toThrow(/the content of one message and the body of another/);
  });
});

describe('handlers of a base class', () => {
  it('belong to each processor that inherits them, on its own queue', async () => {
    const [one, two] = [uniqueName('one'), uniqueName('two')];
    abstract class Base {
      abstract readonly label: string;

      @RpcHandler('command', 'label')
      @UseInterceptors(doubled)
      @MessageFilter((content: object) => ({ ...content, filtered: true }))
      onLabel(@Parameters() suffix: string): string {
        return this.label + suffix;
      }
    }
    @Processor({ eqk: byName(one) })
    class One extends Base {
      readonly label = 'one';
    }
    @Processor({ eqk: byName(two) })
    class Two extends Base {
      readonly label = 'two';

      @RpcHandler('command', 'extra')
      extra(): string {
        return 'extra';
      }
    }
    await world.receive([One, Two]);

    expect(await world.resultOf(one, call('label', '!'))).toEqual(success(['one!', 'one!']));
    expect(await world.resultOf(two, call('label', '?'))).toEqual(success(['two?', 'two?']));
    expect(await world.resultOf(two, rpc('extra'))).toEqual(success('extra'));
    expect(await world.resultOf(one, rpc('extra'))).toMatchObject({ value: 'NoHandlerError' });
  });

  it('are replaced by those of a subclass', async () => {
    const queue = uniqueName('replaced');
    class Base {
      @RpcHandler('command', 'who')
      who(): string {
        return 'base';
      }
    }
    @Processor({ eqk: byName(queue) })
    class Sub extends Base {
      @RpcHandler('command', 'who')
      override who(): string {
        return `sub of ${super.who()}`;
      }
    }
    await world.receive([Sub]);

    expect(await world.resultOf(queue, rpc('who'))).toEqual(success('sub of base'));
  });
});

describe('a handler for any name', () => {
  it('gets every name of its type beside the handlers that name it, and no other type', async () => {
    const queue = uniqueName('any');
    const seen = new Inbox<string>();
    @Processor({ eqk: byName(queue), prefetch: 1 })
    class Any {
      @MessageHandler('status')
      any(_content: unknown): void {
        seen.push('any');
      }

      @MessageHandler('status', 'online')
      online(): void {
        seen.push('online');
      }
    }
    const { events } = await world.receive([Any]);

    world.send(queue, message('online', { type: 'status' }));
    expect(sorted(await seen.take(2))).toEqual(['any', 'online']);
    for (const name of ['offline', { load: 3 }, 7, null])
      world.send(queue, message(name, { type: 'status' }));
    world.send(queue, message('online'));

    await events.of('message.unhandled').take(1);
    expect(seen.items.slice(2)).toEqual(['any', 'any', 'any', 'any']);
  });
});

describe('a processor', () => {
  it('may be listed as a provider', async () => {
    const queue = uniqueName('provided');
    @Processor({ eqk: byName(queue) })
    class Provided {
      constructor(readonly index: Index) {}

      @RpcHandler('command', 'go')
      go(): string {
        return this.index.constructor.name;
      }
    }
    @Module({ providers: [Provided, Index], exports: [Provided] })
    class Feature {}
    await world.receive([], { extra: { imports: [Feature] } });

    expect(await world.resultOf(queue, rpc('go'))).toEqual(success('Index'));
  });

  it('keeps the scope that `@Injectable` gives it, whichever of the two is written first', async () => {
    const queue = uniqueName('scoped');
    const instances = new Inbox<object>();
    @Injectable({ scope: Scope.REQUEST })
    @Processor({ eqk: byName(queue) })
    class Above {
      @MessageHandler('command', 'count')
      count(): void {
        instances.push(this);
      }
    }
    @Processor({ eqk: byName(queue) })
    @Injectable({ scope: Scope.REQUEST })
    class Below {
      @MessageHandler('command', 'count')
      count(): void {
        instances.push(this);
      }
    }
    await world.receive([Above, Below]);

    world.send(queue, message('count'));
    world.send(queue, message('count'));

    expect(new Set(await instances.take(4)).size).toBe(4);
  });
});
