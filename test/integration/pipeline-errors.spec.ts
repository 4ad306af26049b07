import {
  BadRequestException,
  Catch,
  Controller,
  ImATeapotException,
  Injectable,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type ArgumentsHost,
  type CanActivate,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { BaseRpcExceptionFilter, EventPattern, MessagePattern, RpcException } from '@nestjs/microservices';
import {
  MessageResultError,
  MessageResultException,
  Parameters,
  Processor,
  RpcHandler,
} from 'nestjs-postage';
import { concat, mergeMap, of, throwError, timer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, exception, failure, message, resultOf, rpc, useWorld, type Result } from './world.js';

const world = useWorld();

class OutOfPaper extends Error {}

class Renamed extends Error {
  override readonly name = 'E_PAPER';
}

const named = Object.assign(new Error('by its name'), { name: 'PaperJam' });

const THROWN: readonly (readonly [what: string, thrown: unknown, expected: Result])[] = [
  ['an error of a class of its own', new OutOfPaper('tray 2'), exception('OutOfPaper', 'tray 2')],
  ['an error of a class with another name', new Renamed('tray 2'), exception('Renamed', 'tray 2')],
  ['a TypeError', new TypeError('x is not a function'), exception('TypeError', 'x is not a function')],
  ['a plain error', new Error('plain'), exception('Error', 'plain')],
  ['a plain error with a name', named, exception('PaperJam', 'by its name')],
  ['an error without a text', new OutOfPaper(), exception('OutOfPaper', '')],
  ['a text', 'just a text', exception('Error', 'just a text')],
  ['undefined', undefined, exception('Error', 'undefined')],
  ['null', null, exception('Error', 'null')],
  ['a number', 42, exception('Error', '42')],
  ['a symbol', Symbol('x'), exception('Error', 'Symbol(x)')],
  ['an HttpException', new BadRequestException('not like that'), failure('not like that')],
  [
    'an HttpException with a list',
    new BadRequestException(['a is wrong', 'b is missing']),
    failure('a is wrong; b is missing'),
  ],
  ['an HttpException of its own text', new ImATeapotException(), failure("I'm a teapot")],
  ['an RpcException with a text', new RpcException('sold out'), failure('sold out')],
  ['an RpcException with an object', new RpcException({ code: 7, message: 'sold out' }), failure('sold out')],
  ['an RpcException with any object', new RpcException({ code: 7 }), failure('{"code":7}')],
  ['an error result', new MessageResultError('sold out'), failure('sold out')],
  ['an exception result', new MessageResultException('KeyError', "'x'"), exception('KeyError', "'x'")],
];

describe('what a handler throws', () => {
  it.each(THROWN)(
    '(%s) reaches the caller as what it is, at once or later',
    async (_what, thrown, expected) => {
      const queue = uniqueName('throws');
      @Processor({ eqk: byName(queue) })
      class Throws {
        @RpcHandler('command', 'sync')
        sync(): never {
          throw thrown;
        }

        @RpcHandler('command', 'async')
        async async(): Promise<never> {
          await Promise.resolve();
          throw thrown;
        }

        @RpcHandler('command', 'observable')
        observable(): unknown {
          return throwError(() => thrown);
        }

        @RpcHandler('command', 'late')
        late(): unknown {
          return concat(of(1), timer(1).pipe(mergeMap(() => throwError(() => thrown))));
        }
      }
      await world.receive([Throws]);

      for (const name of ['sync', 'async', 'observable', 'late']) {
        expect({ [name]: await world.resultOf(queue, rpc(name)) }).toEqual({ [name]: expected });
      }
    },
  );
});

const throwing = () => {
  throw new OutOfPaper('tray 2');
};
const guard: CanActivate = { canActivate: throwing };
const pipe: PipeTransform = { transform: throwing };
const before: NestInterceptor = { intercept: throwing };
const after: NestInterceptor = { intercept: (_host, next) => next.handle().pipe(mergeMap(throwing)) };

@Injectable({ scope: Scope.REQUEST })
class BrokenPerRequest {
  constructor() {
    throwing();
  }
}

describe('what the pipeline throws', () => {
  it('reaches the caller as what it is, wherever it was thrown', async () => {
    const queue = uniqueName('pipeline');
    @Processor({ eqk: byName(queue) })
    class Pipeline {
      @RpcHandler('command', 'guard')
      @UseGuards(guard)
      guard(): void {}

      @RpcHandler('command', 'pipe')
      @UsePipes(pipe)
      pipe(@Parameters() _value: unknown): void {}

      @RpcHandler('command', 'parameter')
      parameter(@Parameters(pipe) _value: unknown): void {}

      @RpcHandler('command', 'before')
      @UseInterceptors(before)
      before(): void {}

      @RpcHandler('command', 'after')
      @UseInterceptors(after)
      after(): void {}
    }
    const { events } = await world.receive([Pipeline]);

    const places = ['guard', 'pipe', 'parameter', 'before', 'after'];
    for (const place of places) {
      const result = await world.resultOf(queue, rpc(place));
      expect({ [place]: result }).toEqual({ [place]: exception('OutOfPaper', 'tray 2') });
    }
    const failed = await events.of('handler.failed').take(places.length);
    expect(failed.every(({ error }) => error instanceof OutOfPaper)).toBe(true);
  });

  it('reaches the caller from a provider that is made for the message', async () => {
    const queue = uniqueName('scoped');
    @Processor({ eqk: byName(queue) })
    class Scoped {
      constructor(readonly broken: BrokenPerRequest) {}

      @RpcHandler('command', 'go')
      go(): void {}
    }
    await world.receive([Scoped], { extra: { providers: [BrokenPerRequest] } });

    expect(await world.resultOf(queue, rpc('go'))).toEqual(exception('OutOfPaper', 'tray 2'));
  });
});

@Catch()
class LogsAndHandsOn extends BaseRpcExceptionFilter {
  override catch(error: RpcException, host: ArgumentsHost) {
    return super.catch(error, host);
  }
}

describe("a filter on top of Nest's own", () => {
  it.each([
    ['above the handler', 'above'],
    ['below the handler', 'below'],
    ['on the class', 'klass'],
    ['globally', 'global'],
  ] as const)('(%s) does not turn errors into "Internal server error"', async (_where, place) => {
    const queue = uniqueName('base');
    const only = (where: string): ReturnType<typeof UseFilters> =>
      place === where ? UseFilters(new LogsAndHandsOn()) : () => undefined;
    @only('klass')
    @Processor({ eqk: byName(queue) })
    class Filtered {
      @only('above')
      @RpcHandler('command', 'go')
      @only('below')
      go(): never {
        throw new OutOfPaper('tray 2');
      }

      @RpcHandler('command', 'refuse')
      refuse(): never {
        throw new RpcException('sold out');
      }
    }
    const configure =
      place === 'global'
        ? (app: { useGlobalFilters(filter: object): unknown }) =>
            void app.useGlobalFilters(new LogsAndHandsOn())
        : undefined;
    await world.receive([Filtered], { ...(configure ? { configure } : {}) });

    expect(await world.resultOf(queue, rpc('go'))).toEqual(exception('OutOfPaper', 'tray 2'));
    expect(await world.resultOf(queue, rpc('refuse'))).toEqual(failure('sold out'));
  });
});

describe("what a handler of Nest's own decorators, or of a plain controller, throws", () => {
  it('reaches the caller, or the observer, as what it is', async () => {
    const queue = uniqueName('stock');
    @Controller()
    class Stock {
      @MessagePattern('fail')
      fail(): never {
        throw new OutOfPaper('tray 2');
      }

      @UseFilters(new LogsAndHandsOn())
      @MessagePattern('filtered')
      filtered(): never {
        throw new OutOfPaper('tray 2');
      }

      @UseFilters(new LogsAndHandsOn())
      @RpcHandler('command', 'ours')
      ours(): never {
        throw new OutOfPaper('tray 2');
      }

      @EventPattern({ type: 'command', name: 'fail' })
      onFail(): never {
        throw new OutOfPaper('tray 2');
      }
    }
    const { events } = await world.receive([Stock], { options: { eqk: byName(queue) } });

    for (const name of ['fail', 'filtered', 'ours']) {
      expect(await world.resultOf(queue, rpc(name))).toEqual(exception('OutOfPaper', 'tray 2'));
    }
    world.send(queue, message('fail'));
    const failed = await events.of('handler.failed').take(4);
    expect(failed.map(({ error }) => error instanceof OutOfPaper)).toEqual([true, true, true, true]);
  });
});

describe('100 failing rpcs at once', () => {
  it('each get the error of their own', async () => {
    const queue = uniqueName('parallel');
    @Processor({ eqk: byName(queue), prefetch: 100 })
    class Parallel {
      #waiting: (() => void)[] = [];

      @RpcHandler('command', 'fail')
      async fail(@Parameters() id: number): Promise<never> {
        // All of them are in flight before the first one fails.
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
          if (this.#waiting.length === 100) for (const go of this.#waiting.toReversed()) go();
        });
        throw new OutOfPaper(`printer ${id}`);
      }
    }
    await world.receive([Parallel]);
    const ids = Array.from({ length: 100 }, (_, index) => index);

    const inboxes = await Promise.all(ids.map((id) => world.ask(queue, call('fail', id))));
    const replies = await Promise.all(inboxes.map((inbox) => inbox.take(1)));

    expect(replies.flat().map(resultOf)).toEqual(ids.map((id) => exception('OutOfPaper', `printer ${id}`)));
  });
});
