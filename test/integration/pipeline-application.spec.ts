import {
  Controller,
  Get,
  Module,
  ValidationPipe,
  type CanActivate,
  type ExceptionFilter,
  type INestApplication,
  type NestInterceptor,
  Catch,
} from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE, NestFactory } from '@nestjs/core';
import { IsInt } from 'class-validator';
import { Parameters, PostageModule, Processor, RpcHandler, type PostageContext } from 'nestjs-postage';
import { map, of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, exception, failure, rpc, success, useWorld, type Result } from './world.js';

const world = useWorld();

class SumDto {
  @IsInt()
  a!: number;

  @IsInt()
  b!: number;
}

class Overflow extends Error {}

@Catch(Overflow)
class OverflowFilter implements ExceptionFilter {
  catch({ message }: Overflow): unknown {
    return of(`too much: ${message}`);
  }
}

/** A guard, a pipe, an interceptor and a filter for the whole application, each of which shows in an answer. */
const allOver = () => {
  const guard: CanActivate = {
    canActivate: (host) =>
      host.getType() === 'http' || host.switchToRpc().getContext<PostageContext>().name !== 'secret',
  };
  const interceptor: NestInterceptor = {
    intercept: (host, next) =>
      next.handle().pipe(map((value: unknown) => (host.getType() === 'rpc' ? { value } : value))),
  };
  return { guard, interceptor, pipe: new ValidationPipe(), filter: new OverflowFilter() };
};

const sums = (queue: string) => {
  @Processor({ eqk: byName(queue) })
  class Sums {
    @RpcHandler('command', 'sum')
    sum(@Parameters() { a, b }: SumDto): number {
      if (a + b > 100) throw new Overflow(String(a + b));
      if (a < 0) throw new RangeError('negative');
      return a + b;
    }

    @RpcHandler('command', 'secret')
    secret(): string {
      return 'never told';
    }
  }
  return Sums;
};

/** What `sums` answers to one call for each thing of `allOver`. */
const answersOf = async (queue: string): Promise<readonly Result[]> => [
  await world.resultOf(queue, call('sum', { a: 1, b: 2 })),
  await world.resultOf(queue, call('sum', { a: 'x', b: 2 })),
  await world.resultOf(queue, call('sum', { a: 100, b: 2 })),
  await world.resultOf(queue, call('sum', { a: -1, b: 2 })),
  await world.resultOf(queue, rpc('secret')),
];

const ALL_IN_FORCE = [
  success({ value: 3 }),
  failure('a must be an integer number'),
  success('too much: 102'),
  exception('RangeError', 'negative'),
  failure('Forbidden resource'),
];

describe('APP_GUARD, APP_PIPE, APP_INTERCEPTOR and APP_FILTER', () => {
  it('are in force for every message', async () => {
    const queue = uniqueName('app');
    const { guard, interceptor, pipe, filter } = allOver();
    @Module({
      providers: [
        { provide: APP_GUARD, useValue: guard },
        { provide: APP_PIPE, useValue: pipe },
        { provide: APP_INTERCEPTOR, useValue: interceptor },
        { provide: APP_FILTER, useValue: filter },
      ],
    })
    class Everywhere {}
    await world.receive([sums(queue)], { extra: { imports: [Everywhere] } });

    expect(await answersOf(queue)).toEqual(ALL_IN_FORCE);
  });
});

describe('a hybrid application', () => {
  @Controller('hello')
  class HelloController {
    @Get()
    hello(): string {
      return 'over http';
    }
  }

  const hybrid = async (queue: string, inheritAppConfig: boolean): Promise<INestApplication> => {
    @Module({
      imports: [PostageModule.forRoot({ connection: { url: world.url } })],
      controllers: [HelloController, sums(queue)],
    })
    class Hybrid {}
    const app = await NestFactory.create(Hybrid, { logger: false, abortOnError: false });
    world.atEnd(() => app.close());
    const { guard, interceptor, pipe, filter } = allOver();
    app
      .useGlobalGuards(guard)
      .useGlobalPipes(pipe)
      .useGlobalInterceptors(interceptor)
      .useGlobalFilters(filter);
    app.connectMicroservice(PostageModule.microservice(), { inheritAppConfig });
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    return app;
  };

  it('serves HTTP and messages, with one configuration for both', async () => {
    const queue = uniqueName('hybrid');
    const app = await hybrid(queue, true);

    expect(await answersOf(queue)).toEqual(ALL_IN_FORCE);
    const response = await fetch(`${await app.getUrl()}/hello`);
    expect([response.status, await response.text()]).toEqual([200, 'over http']);
  });

  it('keeps its global configuration to HTTP unless told otherwise, as Nest does', async () => {
    const queue = uniqueName('hybrid');
    await hybrid(queue, false);

    expect(await world.resultOf(queue, call('sum', { a: 1, b: 2 }))).toEqual(success(3));
    expect(await world.resultOf(queue, call('sum', { a: 100, b: 2 }))).toEqual(exception('Overflow', '102'));
    expect(await world.resultOf(queue, rpc('secret'))).toEqual(success('never told'));
  });

  it('has a controller for both, whose path stays', async () => {
    const queue = uniqueName('both');
    @Processor({ eqk: byName(queue) })
    @Controller('both')
    class Both {
      @Get()
      get(): string {
        return 'over http';
      }

      @RpcHandler('command', 'get')
      rpc(): string {
        return 'over amqp';
      }
    }
    @Module({ imports: [PostageModule.forRoot({ connection: { url: world.url } })], controllers: [Both] })
    class Hybrid {}
    const app = await NestFactory.create(Hybrid, { logger: false, abortOnError: false });
    world.atEnd(() => app.close());
    app.connectMicroservice(PostageModule.microservice());
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');

    expect(await world.resultOf(queue, rpc('get'))).toEqual(success('over amqp'));
    expect(await (await fetch(`${await app.getUrl()}/both`)).text()).toBe('over http');
  });
});
