import {
  Global,
  Inject,
  Injectable,
  Module,
  type DynamicModule,
  type INestApplicationContext,
  type OnModuleDestroy,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ApplicationLifecycle,
  DEFAULT_EXCHANGE,
  GenericProducer,
  MessageHandler,
  Parameters,
  PostageConnection,
  PostageModule,
  Processor,
  Producer,
  RpcHandler,
  type MessageMethod,
  type PostageEvent,
  type ProducerOf,
} from 'nestjs-postage';
import { say } from '../../support/say.js';

/** What the program is; its command line holds it as JSON. */
export interface ShutdownConfig {
  /** `component`: standalone, and can be told to quit. `context`: consumes nothing. */
  readonly kind: 'standalone' | 'hybrid' | 'component' | 'context';
  readonly queue: string;
  /** Where handlers send what they have done. */
  readonly results: string;
  /** How long a handler takes, in milliseconds. */
  readonly workMs: number;
  readonly drainTimeoutMs: number;
  /** Among the imports of the root module. @default last */
  readonly place?: 'first' | 'last';
  /** It has a connection before it sends. @default false */
  readonly isConnected?: boolean;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const config = JSON.parse(process.argv[2] ?? '{}') as ShutdownConfig;
const { kind, queue, results, workMs, drainTimeoutMs, place = 'last', isConnected = false } = config;

/** Something that handlers need until they are done, such as a pool of connections. */
class Resource implements OnModuleDestroy {
  #isClosed = false;

  constructor(private readonly where: string) {}

  use(id: unknown): void {
    if (this.#isClosed) say('used when closed', { where: this.where, id });
  }

  onModuleDestroy(): void {
    this.#isClosed = true;
    say('closed', { where: this.where });
  }
}

const provide = (where: string) => ({ provide: `resource ${where}`, useFactory: () => new Resource(where) });

@Module({ providers: [provide('before')], exports: ['resource before'] })
class BeforeModule {}
@Module({ providers: [provide('after')], exports: ['resource after'] })
class AfterModule {}
@Global()
@Module({ providers: [provide('global')], exports: ['resource global'] })
class GlobalModule {}

/** With dependencies, and what it depends on: the one is destroyed before the other. */
@Injectable()
class Repository {
  constructor(@Inject('resource root') readonly resource: Resource) {}
}

@Producer({ eks: [[DEFAULT_EXCHANGE, results]] })
class Results extends GenericProducer {
  declare messageDone: MessageMethod<number>;
}

@Processor({ eqk: [[DEFAULT_EXCHANGE, [[queue, queue]]]], prefetch: 5 })
class Worker {
  constructor(
    private readonly done: Results,
    private readonly repository: Repository,
    @Inject('resource before') private readonly before: Resource,
    @Inject('resource after') private readonly after: Resource,
    @Inject('resource global') private readonly everywhere: Resource,
  ) {}

  @RpcHandler('command', 'work')
  async work(@Parameters() id: number): Promise<number> {
    say('begun', { id });
    await sleep(workMs);
    for (const resource of [this.repository.resource, this.before, this.after, this.everywhere])
      resource.use(id);
    // Declared as a method of the class, made by its proxy.
    (this.done as ProducerOf<Results>).messageDone(id).catch(() => say('unsent', { id }));
    say('worked', { id });
    return id;
  }

  @MessageHandler('command', 'stick')
  async stick(@Parameters() id: number): Promise<void> {
    say('begun', { id });
    await new Promise(() => undefined);
  }
}

const observe = (event: PostageEvent): void => {
  if (event.kind === 'connection.failed')
    say(event.kind, { code: 'code' in event.error && event.error.code });
  if (event.kind === 'warning') say(event.kind, { text: event.text });
  if (event.kind === 'internal.failure') say(event.kind, { where: event.where, error: String(event.error) });
};

const messaging = (): DynamicModule =>
  PostageModule.forRoot({
    connection: { url: process.env['SHUTDOWN_URL'] },
    fingerprint: { name: `component-${queue}` },
    reconnect: { initialDelayMs: 50, maxDelayMs: 500 },
    drainTimeoutMs,
    observer: observe,
    ...(kind === 'component' ? { application: { restartBy: { exitCode: 75 } } } : {}),
  });

const others = [BeforeModule, PostageModule.forFeature([Results]), AfterModule, GlobalModule];

@Module({
  imports: place === 'first' ? [messaging(), ...others] : [...others, messaging()],
  providers: [provide('root'), Repository],
  controllers: kind === 'context' ? [] : [Worker],
})
class AppModule {}

const SIGNALS = ['SIGTERM'] as const;

const start = async (): Promise<INestApplicationContext> => {
  if (kind === 'context') {
    const app = await NestFactory.createApplicationContext(AppModule);
    return app.enableShutdownHooks([...SIGNALS], { useProcessExit: true });
  }
  if (kind === 'hybrid') {
    const app = await NestFactory.create(AppModule);
    app.enableShutdownHooks([...SIGNALS], { useProcessExit: true });
    app.connectMicroservice(PostageModule.microservice(), { inheritAppConfig: true });
    say('listening');
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    return app;
  }
  const app = await NestFactory.createMicroservice(AppModule, PostageModule.microservice());
  app.enableShutdownHooks([...SIGNALS], { useProcessExit: true });
  say('listening');
  await app.listen();
  return app;
};

const app = await start();
const lifecycle = app.get(ApplicationLifecycle);
if (kind === 'component') lifecycle.onEnd(() => app.close());
// `app.close()`, told in a way that nothing else listens to.
process.on('SIGUSR2', () => {
  // Nothing that is left keeps the process running: it ends by itself.
  app.close().then(
    () => say('app closed'),
    (error: unknown) => say('not closed', { error: String(error) }),
  );
});
if (kind === 'context') {
  const producer = app.get(Results) as ProducerOf<Results>;
  const send = (): void => {
    for (let id = 1; id <= 1_000; id += 1) void producer.messageDone(id).catch(() => say('lost', { id }));
  };
  // Sends, and ends at the same moment.
  process.on('SIGHUP', () => {
    send();
    process.kill(process.pid, 'SIGTERM');
  });
  process.on('SIGINT', () => {
    clearInterval(alive);
    send();
    void app.close();
  });
  const alive = setInterval(() => undefined, 1_000);
  if (isConnected) await app.get(PostageConnection).connectPublisher();
}
say('started');
