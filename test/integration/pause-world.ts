import assert from 'node:assert/strict';
import type { INestMicroservice, Type } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  GenericConsumer,
  MessageHandler,
  Parameters,
  PostageContext,
  Processor,
  type PostageModuleOptions,
  type ProcessorOptions,
} from 'nestjs-postage';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import type { Peer, TestBroker } from '../support/test-brokers.js';
import { command, Events } from './world.js';

/** A handler's run: it ends when the test says so. */
export interface Run {
  readonly id: number;
  readonly redelivered: boolean;
  readonly end: () => void;
}

/** What a processor of a test has begun, and how much of it has ended. */
export class Work {
  readonly begun = new Inbox<Run>();
  readonly ended = new Inbox<number>();
  /** Handlers end at once. */
  isQuick = false;
  mostAtOnce = 0;
  #running = 0;

  async run(id: number, redelivered: boolean): Promise<void> {
    this.#running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running);
    await new Promise<void>((end) => {
      this.begun.push({ id, redelivered, end });
      if (this.isQuick) end();
    });
    this.#running -= 1;
    this.ended.push(id);
  }

  get ids(): readonly number[] {
    return this.begun.items.map(({ id }) => id);
  }

  /** Everything that runs ends, and so does from now on what begins. */
  finish(): void {
    this.isQuick = true;
    for (const { end } of this.begun.items) end();
  }
}

/** A processor class whose only handler is `go`. */
export const processorOf = (work: Work, options: ProcessorOptions): Type => {
  @Processor(options)
  class Worker {
    @MessageHandler('command', 'go')
    go(@Parameters() id: number, @Ctx() { redelivered }: PostageContext): Promise<void> {
      return work.run(id, redelivered);
    }
  }
  return Worker;
};

export interface Paused {
  readonly app: INestMicroservice;
  readonly events: Events;
  readonly consumer: GenericConsumer;
}

const LIMIT_MS = 20_000;
const RECONNECT = { initialDelayMs: 20, maxDelayMs: 200 };

/** A broker, a peer, and the applications of one test, which end with the test. */
export class PauseWorld {
  #broker: TestBroker | undefined;
  #peer: Peer | undefined;
  readonly #closers: (() => Promise<unknown>)[] = [];

  async open(open: () => Promise<TestBroker>): Promise<void> {
    this.#broker = await open();
    this.#peer = await this.#broker.peer();
  }

  async endTest(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  async close(): Promise<void> {
    await this.#peer?.close();
    await this.#broker?.close();
  }

  get broker(): TestBroker {
    if (!this.#broker) throw new Error('the world is not open yet');
    return this.#broker;
  }

  get peer(): Peer {
    if (!this.#peer) throw new Error('the world is not open yet');
    return this.#peer;
  }

  /** @param early is done before it listens */
  async start(
    controllers: Type[],
    options: Omit<PostageModuleOptions, 'observer'> = {},
    early: (app: INestMicroservice) => void = () => undefined,
  ): Promise<Paused> {
    const events = new Events();
    const all = {
      connection: this.broker.connection,
      reconnect: RECONNECT,
      ...options,
      observer: events.observe,
    };
    const app = await startReceiver(all, controllers, {}, (made) => {
      this.#closers.push(() => made.close());
      early(made);
    });
    return { app, events, consumer: app.get(GenericConsumer) };
  }

  /** Sends numbered messages for `go`. */
  send(queue: string, ...ids: readonly number[]): void {
    this.publish('', queue, ...ids);
  }

  publish(exchange: string, key: string, ...ids: readonly number[]): void {
    for (const id of ids) {
      const content = Buffer.from(JSON.stringify(command('go', id)));
      this.peer.publish(exchange, key, content, { contentType: 'application/json', deliveryMode: 2 });
    }
  }

  waits(queue: string, count: number): Promise<void> {
    return eventually(async () => assert.equal(await this.peer.waitingIn(queue), count), LIMIT_MS);
  }

  /** Cuts the connections, and waits until this application's consuming one is in place again. */
  async reconnect(events: Events): Promise<void> {
    const count = (): number =>
      events.of('connection.ready').items.filter(({ role }) => role === 'consume').length;
    const before = count();
    this.broker.cut();
    await eventually(() => assert.ok(count() > before, 'not connected again'), LIMIT_MS);
  }
}

export const usePauseWorld = (open: () => Promise<TestBroker>): PauseWorld => {
  const world = new PauseWorld();
  beforeAll(() => world.open(open));
  afterEach(() => world.endTest());
  afterAll(() => world.close());
  return world;
};

/** 1, 2, ..., count. */
export const numbers = (count: number, from = 1): number[] =>
  Array.from({ length: count }, (_, i) => from + i);
