import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ApplicationLifecycle, PostageModule } from 'nestjs-postage';
import { WorkProcessor } from './work.processor.js';

/** For example `FLEET_NAME=worker FLEET_HOST=berlin FLEET_GROUPS=gpu,night`; the host is a pretended one. */
const { FLEET_NAME: name = 'worker', FLEET_HOST: host, FLEET_GROUPS: groups = '' } = process.env;

@Module({
  imports: [
    PostageModule.forRoot({
      // What it is addressed by, together with its process id and its groups.
      fingerprint: { name, host, type: 'application' },
      application: {
        groups: groups.split(',').filter((group) => group !== ''),
        version: '1.0.0',
        // So that the directory of whoever listens knows of it within a second.
        presence: { intervalMs: 1_000 },
      },
    }),
  ],
  controllers: [WorkProcessor],
})
class MemberModule {}

const app = await NestFactory.createMicroservice(MemberModule, PostageModule.microservice());
app.enableShutdownHooks(['SIGINT', 'SIGTERM'], { useProcessExit: true });
const lifecycle = app.get(ApplicationLifecycle);
// `quit` and `restart` end the messaging; this ends the rest of the application with it.
lifecycle.onEnd(() => app.close());
await app.listen();

// Here it stays. After `quit` the program goes on; after `restart` it begins anew instead.
const { kind } = await lifecycle.ended;
console.log(`ended: ${kind}`);
