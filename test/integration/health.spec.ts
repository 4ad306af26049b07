import { Controller, Get, Module, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HealthCheck, HealthCheckService, TerminusModule, type HealthCheckResult } from '@nestjs/terminus';
import {
  GenericConsumer,
  InjectPostageHealth,
  PostageConnection,
  PostageHealthIndicator,
  PostageModule,
  type PostageModuleOptions,
} from 'nestjs-postage';
import { MemoryBroker } from 'nestjs-postage/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { processorOf, Work } from './pause-world.js';
import { byName, useWorld } from './world.js';

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly postage: PostageHealthIndicator,
    @InjectPostageHealth('second') private readonly second: PostageHealthIndicator,
  ) {}

  @Get('ready')
  @HealthCheck()
  ready() {
    return this.health.check([() => this.postage.isReady()]);
  }

  @Get('alive')
  @HealthCheck()
  alive() {
    return this.health.check([() => this.postage.isAlive('rabbitmq')]);
  }

  @Get('second')
  @HealthCheck()
  both() {
    return this.health.check([
      () => this.second.isReady('second'),
      () => this.second.isAlive('second alive'),
    ]);
  }
}

interface Answer {
  readonly code: number;
  readonly body: HealthCheckResult;
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** An HTTP application that answers health checks, and consumes what these processors name. */
const serve = async (
  connection: NonNullable<PostageModuleOptions['connection']>,
  controllers: Type[],
  second: NonNullable<PostageModuleOptions['connection']> = new MemoryBroker(),
  options: Pick<PostageModuleOptions, 'startup'> = {},
) => {
  const quick = { reconnect: { initialDelayMs: 5, maxDelayMs: 50 }, log: false } as const;
  @Module({
    imports: [
      // Its own log of failed checks is not what is tested.
      TerminusModule.forRoot({ logger: false }),
      PostageModule.forRoot({ connection, ...quick, ...options }),
      PostageModule.forRoot({ name: 'second', connection: second, ...quick }),
    ],
    controllers: [HealthController, ...controllers],
  })
  class App {}
  const app: INestApplication = await NestFactory.create(App, { logger: false, abortOnError: false });
  closers.push(() => app.close());
  app.connectMicroservice(PostageModule.microservice());
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const get = async (path: string): Promise<Answer> => {
    const response = await fetch(`${url}/health/${path}`);
    // Terminus answers with that in both cases.
    return { code: response.status, body: (await response.json()) as HealthCheckResult };
  };
  return { app, get };
};

describe('the health indicator', () => {
  const world = useWorld();

  it('answers 503 until everything is consumed, 200 then, and 503 while a queue is not', async () => {
    const [queue, exchange] = [uniqueName('health'), world.exchange()];
    const worker = processorOf(new Work(), { eqk: [[exchange, [[queue, 'key']]]] });
    const { app, get } = await serve({ url: world.url }, [worker]);
    expect(await get('ready')).toMatchObject({
      code: 503,
      body: {
        status: 'error',
        error: { postage: { status: 'down', phase: 'idle', consuming: 'idle', publishing: 'idle' } },
      },
    });
    expect((await get('alive')).code).toBe(200);

    await app.startAllMicroservices();
    const up = { status: 'up', phase: 'running', consuming: 'ready', missing: [], paused: [] };
    expect(await get('ready')).toMatchObject({ code: 200, body: { status: 'ok', info: { postage: up } } });
    expect(await get('alive')).toMatchObject({ code: 200, body: { info: { rabbitmq: { status: 'up' } } } });

    // It can not be bound again.
    await world.peer.channel.deleteExchange(exchange.name);
    await world.peer.channel.deleteQueue(queue);
    const down = { status: 'down', phase: 'running', consuming: 'ready', missing: [queue] };
    await eventually(async () =>
      expect(await get('ready')).toMatchObject({ code: 503, body: { error: { postage: down } } }),
    );
    expect((await get('alive')).code).toBe(200);
    await world.peer.channel.assertExchange(exchange.name, exchange.type);
    await eventually(async () => expect((await get('ready')).code).toBe(200));
  });

  it('says no, but alive, while an application that starts in the background waits for its broker', async () => {
    const [broker, queue] = [new MemoryBroker(), uniqueName('health')];
    broker.refuseConnections(new Error('not now'));
    const worker = processorOf(new Work(), { eqk: byName(queue) });
    const { app, get } = await serve(broker, [worker], undefined, { startup: 'background' });
    await app.startAllMicroservices();
    expect(await get('ready')).toMatchObject({
      code: 503,
      body: { error: { postage: { status: 'down', phase: 'starting' } } },
    });
    expect((await get('alive')).code).toBe(200);
    broker.refuseConnections(undefined);
    await eventually(async () => expect((await get('ready')).code).toBe(200));
  });

  it('takes what is paused for ready, and says that it is', async () => {
    const queue = uniqueName('health');
    const { app, get } = await serve({ url: world.url }, [processorOf(new Work(), { eqk: byName(queue) })]);
    await app.startAllMicroservices();
    await app.get(GenericConsumer).pause(queue);
    expect(await get('ready')).toMatchObject({
      code: 200,
      body: { info: { postage: { status: 'up', paused: [queue], missing: [] } } },
    });
  });

  it('opens no connection, and tells connections apart', async () => {
    const [first, second] = [new MemoryBroker(), new MemoryBroker()];
    const { app, get } = await serve(first, [], second);
    expect((await get('second')).code).toBe(200);
    expect((await get('alive')).code).toBe(200);
    expect([first.snapshot().links, second.snapshot().links]).toEqual([[], []]);

    const connection = app.get<PostageConnection>('postage connection (second)');
    await connection.connectPublisher();
    second.refuseConnections(new Error('not now, amqp://user:secret@host'));
    second.disconnectAll();
    await eventually(async () => expect((await get('second')).code).toBe(503));
    const { body } = await get('second');
    await eventually(async () =>
      expect((await get('second')).body.details).toMatchObject({
        second: { status: 'down', error: expect.stringContaining('not now') as string },
        'second alive': { status: 'up' },
      }),
    );
    expect(JSON.stringify(body)).not.toContain('secret');
    second.refuseConnections(undefined);
    await eventually(async () => expect((await get('second')).code).toBe(200));
  });

  it('is alive, and not ready, where the broker has refused it; it is not alive when it is closed', async () => {
    const url = new URL(world.url);
    url.password = 'wrong';
    const { app, get } = await serve(new MemoryBroker(), [], { url: url.href });
    const connection = app.get<PostageConnection>('postage connection (second)');
    await expect(connection.connectPublisher()).rejects.toMatchObject({ code: 'ACCESS_REFUSED' });
    expect(await get('second')).toMatchObject({
      code: 503,
      body: {
        error: { second: { status: 'down' } },
        // It is tried again: somebody may correct the password.
        info: { 'second alive': { status: 'up', publishing: 'failed' } },
      },
    });

    const indicator = app.get(PostageHealthIndicator);
    expect((await indicator.isAlive()).postage.status).toBe('up');
    await app.close();
    expect((await indicator.isAlive()).postage.status).toBe('down');
    expect((await indicator.isReady('rabbit')).rabbit.status).toBe('down');
  });
});
