import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessageHandler, Parameters, PostageModule, Processor } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';

@Processor({ eqk: [[EchoExchange, [['echo-queue', 'echo-rk']]]] })
export class EchoReceiveProcessor {
  @MessageHandler('command', 'echo')
  msgEcho(@Parameters() text: string): void {
    console.log(text);
  }
}

@Module({ imports: [PostageModule.forRoot()], controllers: [EchoReceiveProcessor] })
export class ReceiveModule {}

const app = await NestFactory.createMicroservice(ReceiveModule, PostageModule.microservice());
app.enableShutdownHooks();
await app.listen();
