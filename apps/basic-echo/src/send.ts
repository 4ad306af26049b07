import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GenericProducer, InjectProducer, PostageModule, Producer, type MessageMethod, type ProducerOf } from 'nestjs-postage';
import { EchoExchange } from './echo.exchange.js';

@Producer({ eks: [[EchoExchange, 'echo-rk']] })
export class EchoProducer extends GenericProducer {
  declare messageEcho: MessageMethod<string>;
}

@Module({ imports: [PostageModule.forFeature([EchoProducer]), PostageModule.forRoot()] })
export class SendModule {
  constructor(@InjectProducer(EchoProducer) private readonly producer: ProducerOf<EchoProducer>) {}

  async run(): Promise<void> {
    await this.producer.messageEcho('A test message');
  }
}

const app = await NestFactory.createApplicationContext(SendModule);
await app.get(SendModule).run();
await app.close();
