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
import { said } from '../../support/say.js';

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

@Processor({ eqk: [[DEFAULT_EXCHANGE, [[queue, queue]]]], prefetch })
class Worker {
  @MessageHandler('command', 'number')
  async number(@Parameters() number: number, @Ctx() { redelivered }: PostageContext): Promise<void> {
    await said('begun', { number, redelivered });
    await sleep(workMs);
    await said('handled', { number, redelivered });
  }
}

@Module({ imports: [PostageModule.forRoot({ connection: { url } })], controllers: [Worker] })
class WorkerModule {}

const app = await NestFactory.createMicroservice(WorkerModule, PostageModule.microservice());
await app.listen();
