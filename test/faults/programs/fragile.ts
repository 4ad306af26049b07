import 'reflect-metadata';
import { Module, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Content,
  DEFAULT_EXCHANGE,
  MessageFilter,
  MessageHandler,
  MessageResult,
  Parameters,
  PostageConnection,
  PostageModule,
  Processor,
  Reply,
  RpcHandler,
  type Encoder,
  type ReplyFunction,
} from 'nestjs-postage';
import { say } from '../../support/say.js';

/** An error that can not even be looked at. */
const hostile = (): unknown =>
  new Proxy(new Error('hostile'), {
    get: () => {
      throw new Error('you may not read this');
    },
    getPrototypeOf: () => {
      throw new Error('nor ask what it is');
    },
  });

const THROWN: Readonly<Record<string, () => unknown>> = {
  error: () => new Error('an error'),
  text: () => 'a text',
  nothing: () => undefined,
  null: () => null,
  object: () => ({ message: 'an object' }),
  hostile,
};

/** Fails whatever it is asked for, unless the text is harmless. */
const brokenEncoder: Encoder = {
  contentType: 'application/broken',
  encode: () => {
    throw new Error('can not encode');
  },
  decode: () => {
    throw hostile() as Error;
  },
};

const refuse = (): never => {
  throw hostile() as Error;
};

@Processor({ eqk: [[DEFAULT_EXCHANGE, [['fragile', 'fragile']]]], prefetch: 4 })
class Fragile {
  @MessageHandler('command', 'alive')
  alive(@Parameters() id: unknown): void {
    say('alive', { id });
  }

  @MessageHandler('command', 'throw')
  throwIt(@Parameters() what: string): never {
    throw THROWN[what]?.() as Error;
  }

  @MessageHandler('command', 'reject')
  async rejectIt(@Parameters() what: string): Promise<never> {
    await new Promise((resolve) => setImmediate(resolve));
    throw THROWN[what]?.() as Error;
  }

  @MessageFilter(refuse)
  @MessageHandler('command', 'filtered')
  filtered(): void {
    say('never');
  }

  @RpcHandler('command', 'throw')
  answerByThrowing(@Parameters() what: string): never {
    throw THROWN[what]?.() as Error;
  }

  /** Its value can not be written. */
  @RpcHandler('command', 'unwritable')
  unwritable(): unknown {
    return {
      toJSON: () => {
        throw hostile() as Error;
      },
    };
  }

  @RpcHandler('command', 'twice')
  twice(@Content() _content: unknown, @Reply() reply: ReplyFunction): void {
    reply(new MessageResult(1));
    reply(new MessageResult(2));
    setImmediate(() => reply(new MessageResult(3)));
  }
}

const broken = (): never => {
  throw new Error('a broken logger');
};
const logger: LoggerService = { log: broken, warn: broken, error: broken, debug: broken, verbose: broken };

@Module({
  imports: [
    PostageModule.forRoot({
      connection: JSON.parse(process.argv[2] ?? '') as object,
      reconnect: { initialDelayMs: 20, maxDelayMs: 100 },
      encoders: [brokenEncoder],
      debug: true,
      observer: ({ kind }) => {
        if (kind === 'connection.lost') say('lost');
        if (kind === 'connection.failed') say('refused');
        throw hostile() as Error;
      },
    }),
  ],
  controllers: [Fragile],
})
class Program {}

const app = await NestFactory.createMicroservice(Program, { ...PostageModule.microservice(), logger: false });
app.enableShutdownHooks();
app.get(PostageConnection).onChange(() => {
  throw new Error('a broken listener of the state');
});
app.on('event', () => {
  throw new Error('a broken listener of events');
});
await app.listen();
// Nest itself would not start with it.
app.useLogger(logger);
say('started');
