import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  defineExchange,
  GenericProducer,
  InjectProducer,
  MessageHandler,
  Parameters,
  PostageModule,
  Processor,
  Producer,
  RpcCommand,
  RpcHandler,
  type MessageMethod,
  type ProducerOf,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { Inbox } from '../support/eventually.js';
import { brokerUrl, uniqueName } from '../support/rabbit.js';

const Exchange = defineExchange({ name: uniqueName('echo') });

@Producer({ eks: [[Exchange, 'rk']] })
class EchoProducer extends GenericProducer {
  declare messageEcho: MessageMethod<string>;

  buildRpcSum(a: number, b: number): RpcCommand<number> {
    return new RpcCommand('sum', { a, b });
  }
}

const echoed = new Inbox<string>();

@Processor({ eqk: [[Exchange, [[uniqueName('queue'), 'rk']]]] })
class EchoController {
  @MessageHandler('command', 'echo')
  onEcho(@Parameters() text: string): void {
    echoed.push(text);
  }

  @RpcHandler('command', 'sum')
  sum(@Parameters() { a, b }: { a: number; b: number }): number {
    return a + b;
  }
}

@Module({
  imports: [
    PostageModule.forFeature([EchoProducer]),
    PostageModule.forRoot({ connection: { url: brokerUrl() } }),
  ],
})
class Sender {
  constructor(@InjectProducer(EchoProducer) readonly echo: ProducerOf<EchoProducer>) {}
}

describe('a producer and a controller on RabbitMQ', () => {
  it('bring a message to its handler and an answer to its caller', async () => {
    const receiver = await startReceiver({ connection: { url: brokerUrl() } }, [EchoController]);
    const sender = await NestFactory.createApplicationContext(Sender, { logger: false });
    const { echo } = sender.get(Sender);

    await echo.messageEcho('A test message');
    const result = await echo.rpcSum(5, 6);

    expect(await echoed.take(1)).toEqual(['A test message']);
    expect(result.unwrap()).toBe(11);
    await sender.close();
    await receiver.close();
  });
});
