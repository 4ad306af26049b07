import {
  ForbiddenException,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { MessageHandler, Parameters, Processor, RpcHandler, type PostageContext } from 'nestjs-postage';
import { map, of, tap } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import {
  byName,
  call,
  command,
  exception,
  failure,
  rpc,
  success,
  useWorld,
  type ReceiverSetup,
} from './world.js';

const world = useWorld();

class OutOfPaper extends Error {}

/** Guard, pipe and interceptor that leave their mark in a trace. */
const traced = (trace: Inbox<string>) => ({
  guard: (label: string): CanActivate => ({
    canActivate: (host) => {
      trace.push(`guard ${label} (${host.getType()})`);
      return true;
    },
  }),
  pipe: (label: string): PipeTransform => ({
    transform: (value: unknown) => {
      trace.push(`pipe ${label}`);
      return value;
    },
  }),
  interceptor: (label: string): NestInterceptor => ({
    intercept: (_host, next) => {
      trace.push(`interceptor ${label}`);
      return next.handle().pipe(tap(() => trace.push(`${label} done`)));
    },
  }),
});

const IN_ORDER = [
  ...['global', 'class', 'method'].map((place) => `guard ${place} (rpc)`),
  ...['global', 'class', 'method'].map((place) => `interceptor ${place}`),
  ...['global', 'class', 'method', 'parameter'].map((place) => `pipe ${place}`),
  'handler',
  ...['method', 'class', 'global'].map((place) => `${place} done`),
];

describe('guards, interceptors and pipes', () => {
  it('run around messages and rpcs, from global to method, as Nest orders them', async () => {
    const queue = uniqueName('ordered');
    const trace = new Inbox<string>();
    const { guard, pipe, interceptor } = traced(trace);
    @UseGuards(guard('class'))
    @UsePipes(pipe('class'))
    @UseInterceptors(interceptor('class'))
    @Processor({ eqk: byName(queue) })
    class Ordered {
      @UseGuards(guard('method'))
      @UsePipes(pipe('method'))
      @UseInterceptors(interceptor('method'))
      @MessageHandler('command', 'go')
      onMessage(@Parameters(pipe('parameter')) _value: string): void {
        trace.push('handler');
      }

      @RpcHandler('command', 'go')
      @UseGuards(guard('method'))
      @UsePipes(pipe('method'))
      @UseInterceptors(interceptor('method'))
      onRpc(@Parameters(pipe('parameter')) value: string): string {
        trace.push('handler');
        return value;
      }
    }
    const configure: ReceiverSetup['configure'] = (app) => {
      app.useGlobalGuards(guard('global'));
      app.useGlobalPipes(pipe('global'));
      app.useGlobalInterceptors(interceptor('global'));
    };
    await world.receive([Ordered], { configure });

    world.send(queue, command('go', 'x'));
    expect(await trace.take(IN_ORDER.length)).toEqual(IN_ORDER);
    trace.items.length = 0;
    expect(await world.resultOf(queue, call('go', 'x'))).toEqual(success('x'));
    expect(trace.items).toEqual(IN_ORDER);
  });
});

describe('a guard', () => {
  const guarded = async (guard: CanActivate) => {
    const queue = uniqueName('guarded');
    const ran: string[] = [];
    @UseGuards(guard)
    @Processor({ eqk: byName(queue) })
    class Guarded {
      @RpcHandler('command', 'enter')
      enter(): string {
        ran.push('rpc');
        return 'welcome';
      }

      @MessageHandler('command', 'enter')
      onEnter(): void {
        ran.push('message');
      }
    }
    return { queue, ran, ...(await world.receive([Guarded])) };
  };

  it('that says no refuses an rpc with an error result, and a message without running its handler', async () => {
    const { queue, ran, events } = await guarded({ canActivate: () => false });

    expect(await world.resultOf(queue, rpc('enter'))).toEqual(failure('Forbidden resource'));
    world.send(queue, command('enter', {}));

    expect(await events.of('handler.failed').take(2)).toMatchObject([
      { message: { category: 'rpc' } },
      { message: { category: 'message' } },
    ]);
    expect(ran).toEqual([]);
  });

  it('that throws an HttpException refuses with its message', async () => {
    const { queue } = await guarded({
      canActivate: () => {
        throw new ForbiddenException('members only');
      },
    });
    expect(await world.resultOf(queue, rpc('enter'))).toEqual(failure('members only'));
  });

  it('that throws any other error answers with that error', async () => {
    const { queue } = await guarded({
      canActivate: () => Promise.reject(new OutOfPaper('no visitor forms left')),
    });
    expect(await world.resultOf(queue, rpc('enter'))).toEqual(
      exception('OutOfPaper', 'no visitor forms left'),
    );
  });

  it('sees who sent the message', async () => {
    const bySender: CanActivate = {
      canActivate: (host) => {
        const { fingerprint } = host.switchToRpc().getContext<PostageContext>();
        return 'name' in fingerprint && fingerprint.name === 'friend';
      },
    };
    const { queue } = await guarded(bySender);
    expect(await world.resultOf(queue, rpc('enter', { fingerprint: { name: 'friend' } }))).toEqual(
      success('welcome'),
    );
    expect(await world.resultOf(queue, rpc('enter', { fingerprint: { name: 'foe' } }))).toEqual(
      failure('Forbidden resource'),
    );
  });

  it('for HTTP requests that is global lets messages pass by their type', async () => {
    const queue = uniqueName('mixed');
    @Processor({ eqk: byName(queue) })
    class Mixed {
      @RpcHandler('command', 'enter')
      enter(): string {
        return 'welcome';
      }
    }
    const onlyHttp: CanActivate = { canActivate: (host: ExecutionContext) => host.getType() !== 'http' };
    await world.receive([Mixed], { configure: (app) => void app.useGlobalGuards(onlyHttp) });
    expect(await world.resultOf(queue, rpc('enter'))).toEqual(success('welcome'));
  });
});

describe('an interceptor', () => {
  const intercepted = async (
    interceptor: NestInterceptor,
    handler: () => unknown = () => 2,
  ): Promise<string> => {
    const queue = uniqueName('intercepted');
    @UseInterceptors(interceptor)
    @Processor({ eqk: byName(queue) })
    class Intercepted {
      @RpcHandler('command', 'two')
      two(): unknown {
        return handler();
      }
    }
    await world.receive([Intercepted]);
    return queue;
  };

  it('changes the answer', async () => {
    const queue = await intercepted({
      intercept: (_host, next: CallHandler<number>) => next.handle().pipe(map((value) => value * 21)),
    });
    expect(await world.resultOf(queue, rpc('two'))).toEqual(success(42));
  });

  it('answers instead of the handler', async () => {
    let ran = false;
    const queue = await intercepted({ intercept: () => of('cached') }, () => (ran = true));
    expect(await world.resultOf(queue, rpc('two'))).toEqual(success('cached'));
    expect(ran).toBe(false);
  });
});
