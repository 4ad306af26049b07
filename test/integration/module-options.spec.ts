import {
  Inject,
  Injectable,
  Module,
  type DynamicModule,
  type INestMicroservice,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  MessageHandler,
  Parameters,
  PostageConnection,
  PostageModule,
  Processor,
  RpcHandler,
  type PostageOptions,
  type PostageOptionsFactory,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, command, rpc, success, useWorld } from './world.js';

const world = useWorld();

/** Stands for whatever knows the configuration of an application. */
@Injectable()
class Config {
  get url(): string {
    return world.url;
  }
}

@Module({ providers: [Config], exports: [Config] })
class ConfigModule {}

@Injectable()
class Factory implements PostageOptionsFactory {
  constructor(@Inject(Config) readonly config: Config) {}

  createPostageOptions(): PostageOptions {
    return { connection: { url: this.config.url }, fingerprint: { name: 'from a factory' } };
  }
}

@Module({ imports: [ConfigModule], providers: [Factory], exports: [Factory] })
class FactoryModule {}

const start = async (
  postage: DynamicModule,
  controllers: Type[],
  name?: string,
): Promise<INestMicroservice> => {
  @Module({ imports: [postage], controllers })
  class App {}
  const microservice = PostageModule.microservice(name);
  const app = await NestFactory.createMicroservice(App, {
    ...microservice,
    logger: false as const,
    abortOnError: false,
  });
  world.atEnd(() => app.close());
  await app.listen();
  return app;
};

const echo = (connection?: string): { queue: string; processor: Type } => {
  const queue = uniqueName('echo');
  @Processor({ eqk: byName(queue), connection })
  class Echo {
    @RpcHandler('command', 'echo')
    echo(@Parameters() text: string): string {
      return text;
    }
  }
  return { queue, processor: Echo };
};

describe('PostageModule.forRootAsync', () => {
  it.each<readonly [string, () => DynamicModule]>([
    [
      '`useFactory` with what it asks for',
      () =>
        PostageModule.forRootAsync({
          imports: [ConfigModule],
          inject: [Config],
          useFactory: async (config: Config) => Promise.resolve({ connection: { url: config.url } }),
        }),
    ],
    ['`useClass`', () => PostageModule.forRootAsync({ imports: [ConfigModule], useClass: Factory })],
    ['`useExisting`', () => PostageModule.forRootAsync({ imports: [FactoryModule], useExisting: Factory })],
  ])('takes its options from %s', async (_what, postage) => {
    const { queue, processor } = echo();
    await start(postage(), [processor]);

    expect(await world.resultOf(queue, call('echo', 'hello'))).toEqual(success('hello'));
  });

  it('signs with the fingerprint that its factory gave', async () => {
    const { queue, processor } = echo();
    await start(PostageModule.forRootAsync({ imports: [FactoryModule], useExisting: Factory }), [processor]);

    const [reply] = await (await world.ask(queue, rpc('echo'))).take(1);

    expect(JSON.parse(String(reply?.content))).toMatchObject({
      fingerprint: {
        name: 'from a factory',
        type: 'application',
        vhost: world.vhost.name,
        pid: String(process.pid),
      },
    });
  });

  it('may have a name, and serves the processors of that name only', async () => {
    const named = echo('jobs');
    const nameless = echo();
    const postage = PostageModule.forRootAsync({
      name: 'jobs',
      useFactory: () => ({ connection: { url: world.url } }),
    });
    await start(postage, [named.processor, nameless.processor], 'jobs');

    expect(await world.resultOf(named.queue, call('echo', 'hello'))).toEqual(success('hello'));
    await expect(queueExists(nameless.queue)).resolves.toBe(false);
  });

  it('takes names of queues and exchanges from the configuration', async () => {
    const queue = uniqueName('configured');
    const exchange = world.exchange('topic');
    const seen = new Inbox<unknown>();
    @Processor()
    class Configured {
      @MessageHandler('command', 'go')
      go(@Parameters() parameters: unknown): void {
        seen.push(parameters);
      }
    }
    const useFactory = (): PostageOptions => ({
      connection: { url: world.url },
      eqk: [[exchange, [[{ name: queue, flags: { autoDelete: true } }, 'jobs.#']]]],
    });
    await start(PostageModule.forRootAsync({ useFactory }), [Configured]);

    world.peer.publish(exchange.name, 'jobs.eu', command('go', 1));

    expect(await seen.take(1)).toEqual([1]);
    expect(await world.vhost.queues()).toContainEqual(
      expect.objectContaining({ name: queue, auto_delete: true }),
    );
  });

  it('keeps the application from starting when its factory fails, or gives what is no option', async () => {
    const failing = PostageModule.forRootAsync({
      useFactory: () => Promise.reject(new Error('no configuration')),
    });
    await expect(start(failing, [])).rejects.toThrow('no configuration');
    const wrong = PostageModule.forRootAsync({ useFactory: () => ({ prefetch: 0 }) });
    await expect(start(wrong, [])).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'prefetch' });
  });
});

const queueExists = async (name: string): Promise<boolean> =>
  (await world.vhost.queues()).some((queue) => queue.name === name);

describe('PostageModule.forRoot', () => {
  it('connects nothing before something is sent or served', async () => {
    @Module({ imports: [PostageModule.forRoot({ connection: { host: '127.0.0.1', port: 1 } })] })
    class App {}
    const app = await NestFactory.createApplicationContext(App, { logger: false });
    expect(app.get(PostageConnection).snapshot).toMatchObject({
      consuming: { kind: 'idle' },
      publishing: { kind: 'idle' },
    });
    await app.close();
    expect(app.get(PostageConnection).snapshot).toMatchObject({ consuming: { kind: 'closed' } });
  });

  it('takes the connection from a function, asked whenever it connects', async () => {
    const { queue, processor } = echo();
    let asked = 0;
    const connection = (): { url: string } => {
      asked += 1;
      return { url: world.url };
    };
    await start(PostageModule.forRoot({ connection }), [processor]);

    expect(await world.resultOf(queue, call('echo', 'hello'))).toEqual(success('hello'));
    expect(asked).toBe(2);
  });
});
