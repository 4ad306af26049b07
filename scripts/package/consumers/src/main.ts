// An application of a user: what it does has to compile and to run, whatever Nest and module system it has.
import 'reflect-metadata';
import { type INestMicroservice, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, type ClientProxy, type CustomTransportStrategy } from '@nestjs/microservices';
import {
  Content,
  defineExchange,
  GenericProducer,
  InjectProducer,
  type MessageMethod,
  MessageHandler,
  type Observer,
  Parameters,
  PostageClient,
  PostageModule,
  type PostageModuleOptions,
  PostageServer,
  Processor,
  Producer,
  type ProducerOf,
  RpcCommand,
  RpcHandler,
} from 'nestjs-postage';
import { MemoryBroker } from 'nestjs-postage/testing';
import { firstValueFrom } from 'rxjs';

const Exchange = defineExchange({
  name: 'consumer-exchange',
  type: 'direct',
  durable: false,
  autoDelete: true,
});

@Producer({ eks: [[Exchange, 'consumer-rk']] })
class EchoProducer extends GenericProducer {
  declare messageEcho: MessageMethod<string>;

  buildRpcSum(a: number, b: number): RpcCommand<number> {
    return new RpcCommand('sum', { a, b });
  }
}

let onEcho: (text: string) => void = () => undefined;
const nextEcho = (): Promise<string> => new Promise((resolve) => (onEcho = resolve));

@Processor({ eqk: [[Exchange, [[{ name: 'consumer-queue', flags: { exclusive: true } }, 'consumer-rk']]]] })
class EchoController {
  @MessageHandler('command', 'echo')
  onEcho(@Parameters() text: string): void {
    onEcho(text);
  }

  @RpcHandler('command', 'sum')
  sum(@Parameters() terms: { a: number; b: number }, @Content() content: unknown): number {
    if (content === undefined) throw new Error('no content');
    return terms.a + terms.b;
  }
}

/** A strategy and a client of ours are Nest's own types. */
export const strategyFrom = (options: PostageModuleOptions): CustomTransportStrategy =>
  new PostageServer(options);
export const clientClass: Type<ClientProxy> = PostageClient;

const moduleWith = (options: PostageModuleOptions) => {
  @Module({
    imports: [
      ClientsModule.register([
        {
          name: 'ECHO',
          customClass: PostageClient,
          options: { ...options, eks: [[Exchange, 'consumer-rk']] },
        },
      ]),
      PostageModule.forFeature([EchoProducer]),
      PostageModule.forRoot(options),
    ],
    controllers: [EchoController],
  })
  class AppModule {
    constructor(@InjectProducer(EchoProducer) readonly echo: ProducerOf<EchoProducer>) {}
  }
  return AppModule;
};

const expectSame = (what: string, actual: unknown, expected: unknown): void => {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
};

const run = async (broker: string, options: PostageModuleOptions): Promise<void> => {
  const AppModule = moduleWith(options);
  const app: INestMicroservice = await NestFactory.createMicroservice(AppModule, {
    ...PostageModule.microservice(),
    logger: ['error', 'warn'],
  });
  await app.listen();
  const { echo } = app.get(AppModule);
  const echoed = nextEcho();
  await echo.messageEcho('A test message');
  expectSame('message', await echoed, 'A test message');
  const result = await echo.rpcSum(5, 6);
  expectSame('rpc', result.unwrap(), 11);
  const client = app.get<ClientProxy>('ECHO');
  expectSame('client', await firstValueFrom(client.send<number>('sum', { a: 2, b: 3 })), 5);
  await app.close();
  console.log(`a message and two rpcs through ${broker}`);
};

const main = async (): Promise<void> => {
  const kinds: string[] = [];
  const observer: Observer = (event) => void kinds.push(event.kind);
  await run('the memory broker', { connection: new MemoryBroker(), observer });
  if (!kinds.includes('connection.ready')) throw new Error(`events: ${kinds.join(', ')}`);
  const url = process.env['POSTAGE_TEST_URL'];
  if (url !== undefined) await run('RabbitMQ', { connection: { url } });
};

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
