import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx } from '@nestjs/microservices';
import {
  DEFAULT_EXCHANGE,
  MessageHandler,
  Parameters,
  PostageContext,
  PostageModule,
  Processor,
  type PostageModuleOptions,
} from 'nestjs-postage';

const say = (event: string, facts: object = {}): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);

/** Computes, and lets nothing else happen. */
const compute = (forMs: number): void => {
  const endMs = performance.now() + forMs;
  while (performance.now() < endMs);
};

@Processor({ eqk: [[DEFAULT_EXCHANGE, [['jobs', 'jobs']]]], prefetch: 1 })
class Jobs {
  @MessageHandler('command', 'compute')
  compute(@Parameters() forMs: number, @Ctx() { redelivered }: PostageContext): void {
    // Its ack was lost with the connection: it would block the process again and again.
    if (!redelivered) compute(forMs);
    say('computed', { forMs });
  }
}

@Module({
  imports: [
    PostageModule.forRoot({
      connection: JSON.parse(process.argv[2] ?? '') as NonNullable<PostageModuleOptions['connection']>,
      reconnect: { maxDelayMs: 200 },
      observer: (event) => {
        if (event.kind === 'connection.lost' || event.kind === 'consumer.attached') say(event.kind);
        if (event.kind === 'warning') say('warning', { text: event.text });
      },
    }),
  ],
  controllers: [Jobs],
})
class Program {}

const app = await NestFactory.createMicroservice(Program, PostageModule.microservice());
app.enableShutdownHooks();
await app.listen();
