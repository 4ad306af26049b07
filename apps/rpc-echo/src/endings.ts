import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PostageModule } from 'nestjs-postage';
import { ZeroDivisionError } from './endings.contract.js';
import { EndingsProducer } from './endings.producer.js';
import { EndingsSender } from './endings.sender.js';

@Module({
  imports: [
    PostageModule.forFeature([EndingsProducer]),
    PostageModule.forRoot({
      fingerprint: { name: 'echo_endings', type: 'application' },
      // What `unwrap()` throws as what it was over there. Any other exception it throws as a `RemoteException`.
      errors: [ZeroDivisionError],
    }),
  ],
  providers: [EndingsSender],
})
class EndingsModule {}

const app = await NestFactory.createApplicationContext(EndingsModule, { logger: ['error', 'warn'] });
await app.get(EndingsSender).run();
await app.close();
