// A program that has a password, and prints all that it can: its log, debug mode on, everything its observer is told, and at the
// end every object that it can get hold of. What it is to do stands in its environment.
import { inspect } from 'node:util';
import { Module } from '@nestjs/common';
import { ModulesContainer, NestFactory } from '@nestjs/core';
import {
  ApplicationMember,
  DEFAULT_EXCHANGE,
  GenericConsumer,
  GenericProducer,
  MessageHandler,
  PostageConnection,
  PostageModule,
  Processor,
  Producer,
  RpcCaller,
  RpcHandler,
  type ConnectionOptions,
  type ConnectionProvider,
  type PostageEvent,
} from 'nestjs-postage';
import { shown } from './secret.js';
import { say } from '../../support/say.js';

/** What `SECRET_CONFIG` holds. */
export interface SecretConfig {
  readonly connection?: ConnectionOptions;
  /** The options come from a function; it throws an error that carries them until it is asked this often. */
  readonly failures?: number;
  /** It fails to start, and nobody catches that: Node prints the error. */
  readonly uncaught?: boolean;
  /** After so many failed attempts it goes on to the end; Infinity is not JSON. */
  readonly attempts?: number;
}

const {
  connection = {},
  failures,
  uncaught,
  attempts,
} = JSON.parse(process.env['SECRET_CONFIG'] ?? '{}') as SecretConfig;
// What comes after it has the password only where the program has put it.
delete process.env['SECRET_CONFIG'];

@Processor({ eqk: [[DEFAULT_EXCHANGE, [['secret-jobs', 'secret-jobs']]]] })
class Jobs {
  @MessageHandler('command', 'job')
  job(): void {
    throw new Error('a handler fails, too');
  }

  @RpcHandler('command', 'ask')
  ask(): string {
    return 'answered';
  }
}

@Producer({ eks: [[DEFAULT_EXCHANGE, 'secret-jobs']], defaults: { timeoutMs: 20_000 } })
class Sender extends GenericProducer {}

let asked = 0;
const provider: ConnectionProvider = () => {
  asked += 1;
  if (asked > (failures ?? 0)) return connection;
  // As a client of a vault does it.
  throw Object.assign(new Error('the vault is sealed'), { config: { answer: connection } });
};

let failed = 0;
let enough = (): void => undefined;
const failedEnough = new Promise<void>((resolve) => {
  enough = resolve;
});
const observer = (event: PostageEvent): void => {
  process.stderr.write(`${shown(event)}\n`);
  if (event.kind === 'connection.lost') say('lost');
  if (event.kind === 'connection.failed' && (failed += 1) === attempts) enough();
};

@Module({
  imports: [
    PostageModule.forFeature([Sender]),
    PostageModule.forRoot({
      connection: failures === undefined ? connection : provider,
      fingerprint: { name: 'secretive' },
      application: { presence: true },
      reconnect: { initialDelayMs: 20, maxDelayMs: 100 },
      observer,
    }),
  ],
  controllers: [Jobs],
})
class AppModule {}

const main = async (): Promise<void> => {
  const app = await NestFactory.createMicroservice(AppModule, {
    ...PostageModule.microservice(),
    abortOnError: false,
  });
  app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
  const sender = app.get(Sender);
  const listening = app.listen();
  // What it fails with is awaited where that is expected.
  listening.catch(() => undefined);
  if (attempts === undefined) {
    await listening;
    await sender.command('job', { harmless: true });
    await sender.rpc('ask');
    say('worked');
  } else {
    await Promise.race([failedEnough, listening]);
    const early = sender.with({ publishTimeoutMs: 300 }).command('job');
    await early.catch((error: unknown) => process.stderr.write(`${shown(error)}\n`));
  }
  const objects = [PostageConnection, GenericConsumer, RpcCaller, Sender, ApplicationMember].map((token) =>
    app.get<unknown>(token),
  );
  for (const object of [...objects, app.get(PostageConnection).snapshot])
    process.stderr.write(`${shown(object)}\n`);
  // What Nest keeps of our modules; all of its container would be a hundred megabytes.
  for (const { metatype, providers } of app.get(ModulesContainer).values()) {
    const own = metatype.name.startsWith('Postage') ? [...providers.values()] : [];
    for (const { name, instance } of own)
      process.stderr.write(`${inspect({ name, instance }, { depth: 6 })}\n`);
  }
  say('shown');
  if (attempts !== undefined) await app.close();
};

if (uncaught) await main();
else
  await main().catch((error: unknown) => {
    process.stderr.write(`${shown(error)}\n`);
    say('failed');
  });
