import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostageModule } from 'nestjs-postage';
import { EchoProducer } from './echo.producer.js';
import { EchoSender } from './echo.sender.js';

@Module({
  imports: [PostageModule.forFeature([EchoProducer]), PostageModule.forRoot()],
  providers: [EchoSender],
})
class SendModule {}

const app = await NestFactory.createApplicationContext(SendModule, { logger: ['error', 'warn'] });
await app.get(EchoSender).run();
await app.close();
