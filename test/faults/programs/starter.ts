import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_EXCHANGE,
  MessageHandler,
  Parameters,
  PostageConnection,
  PostageError,
  PostageModule,
  Processor,
  type PostageModuleOptions,
} from 'nestjs-postage';
import { say } from '../../support/say.js';

/** What the test wants; the command line holds it as JSON. */
export type StarterConfig = Pick<PostageModuleOptions, 'connection' | 'startup' | 'reconnect'>;

@Processor({ eqk: [[DEFAULT_EXCHANGE, [['jobs', 'jobs']]]] })
class Jobs {
  @MessageHandler('command', 'job')
  job(@Parameters() id: unknown): void {
    say('job', { id });
  }
}

const options = JSON.parse(process.argv[2] ?? '') as StarterConfig;

@Module({
  imports: [
    PostageModule.forRoot({
      ...options,
      observer: (event) => {
        if (event.kind === 'connection.failed') say('failed', { retryInMs: event.retryInMs });
      },
    }),
  ],
  controllers: [Jobs],
})
class Program {}

const app = await NestFactory.createMicroservice(Program, PostageModule.microservice());
app.enableShutdownHooks();
const state = (): string => app.get(PostageConnection).snapshot.consuming.kind;
app.get(PostageConnection).onChange(({ consuming }) => say(consuming.kind));
try {
  await app.listen();
  say('started', { state: state() });
} catch (error) {
  const { code, message } =
    error instanceof PostageError ? error : { code: 'FOREIGN', message: String(error) };
  say('refused', { code, message, state: state() });
  await app.close();
}
