import { setTimeout as sleep } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_EXCHANGE,
  MessageHandler,
  Parameters,
  PostageContext,
  PostageModule,
  Processor,
} from 'nestjs-postage';

/** What a worker is; its command line holds it as JSON. */
export interface WorkerConfig {
  readonly url: string;
  readonly queue: string;
  readonly prefetch: number;
  /** How long a number takes, in milliseconds. */
  readonly workMs: number;
}

const config = JSON.parse(process.argv[2] ?? '{}') as WorkerConfig;
const { url, queue, prefetch, workMs } = config;

/** One line of JSON that begins with the event. It has left the process when this returns. */
const say = (event: string, facts: object): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);

@Processor({ eqk: [[DEFAULT_EXCHANGE, [[queue, queue]]]], prefetch })
class Worker {
  @MessageHandler('command', 'number')
  async number(@Parameters() number: number, @Ctx() { redelivered }: PostageContext): Promise<void> {
    say('begun', { number, redelivered });
    await sleep(workMs);
    say('handled', { number, redelivered });
  }
}

@Module({ imports: [PostageModule.forRoot({ connection: { url } })], controllers: [Worker] })
class WorkerModule {}

const app = await NestFactory.createMicroservice(WorkerModule, PostageModule.microservice());
await app.listen();
