import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostageModule } from 'nestjs-postage';
import { EchoReceiveProcessor } from './echo-receive.processor.js';
import { EndingsReceiveProcessor } from './endings-receive.processor.js';

@Module({
  imports: [PostageModule.forRoot({ fingerprint: { name: 'echo_receive', type: 'controller' } })],
  controllers: [EchoReceiveProcessor, EndingsReceiveProcessor],
})
class ReceiveModule {}

const app = await NestFactory.createMicroservice(ReceiveModule, PostageModule.microservice());
// On Ctrl+C: stop consuming, let running handlers finish, close the connection, exit with 0.
app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
await app.listen();
