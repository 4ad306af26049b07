import { Module, type INestApplicationContext, type INestMicroservice, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_EXCHANGE,
  GenericProducer,
  PostageModule,
  Processor,
  Producer,
  RpcCaller,
  type CallOptions,
  type Eqk,
  type MessageProperties,
  type PostageModuleOptions,
  type RpcSnapshot,
} from 'nestjs-postage';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { startReceiver } from '../support/apps.js';
import type { Peer, PeerMessage, TestBroker } from '../support/test-brokers.js';
import { Events } from './world.js';

/** Calls go to the queue that the key names. */
@Producer({ eks: [[DEFAULT_EXCHANGE, 'nobody']] })
export class Caller extends GenericProducer {}

export interface CallerApp {
  readonly app: INestApplicationContext;
  readonly events: Events;
  readonly rpc: RpcCaller;
  /** A producer whose calls go to this queue. */
  readonly to: (queue: string, options?: CallOptions) => Caller;
  readonly snapshot: () => RpcSnapshot;
}

type AppOptions = Omit<PostageModuleOptions, 'observer' | 'connection'>;

/** One broker with applications and peers, all of which end with the test. */
export class RpcWorld {
  readonly #open: () => Promise<TestBroker>;
  #broker: TestBroker | undefined;
  readonly #closers: (() => Promise<unknown>)[] = [];

  constructor(open: () => Promise<TestBroker>) {
    this.#open = open;
  }

  get broker(): TestBroker {
    if (!this.#broker) throw new Error('the world is not open yet');
    return this.#broker;
  }

  async open(): Promise<void> {
    this.#broker = await this.#open();
  }

  async endTest(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  async close(): Promise<void> {
    await this.#broker?.close();
  }

  atEnd(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async caller(options: AppOptions = {}): Promise<CallerApp> {
    const events = new Events();
    const { connection } = this.broker;
    const root = PostageModule.forRoot({ connection, observer: events.observe, ...options });
    @Module({ imports: [PostageModule.forFeature([Caller]), root] })
    class CallerModule {}
    const app = await NestFactory.createApplicationContext(CallerModule, { logger: false });
    this.atEnd(() => app.close());
    const rpc = app.get(RpcCaller);
    const caller = app.get(Caller);
    const to = (key: string, more: CallOptions = {}): Caller => caller.with({ key, ...more });
    return { app, events, rpc, to, snapshot: () => rpc.snapshot };
  }

  /** One that is connected: the time of a call begins with the call, and short ones should not have to wait for that. */
  async connectedCaller(options: AppOptions = {}): Promise<CallerApp> {
    const caller = await this.caller(options);
    await caller
      .to('nobody-is-here')
      .rpc('connect')
      .catch(() => undefined);
    return caller;
  }

  /** An application whose handlers serve this queue. */
  async server(
    queue: string,
    handlers: Type,
    options: AppOptions = {},
  ): Promise<{ readonly app: INestMicroservice; readonly events: Events }> {
    const events = new Events();
    const eqk: Eqk = [
      [DEFAULT_EXCHANGE, [[{ name: queue, flags: { autoDelete: true, durable: false } }, queue]]],
    ];
    @Processor({ eqk })
    class Server extends handlers {}
    const { connection } = this.broker;
    const app = await startReceiver({ connection, observer: events.observe, ...options }, [Server], {
      imports: [PostageModule.forFeature([Caller])],
    });
    this.atEnd(() => app.close());
    return { app, events };
  }

  /** The names of all queues at the broker. */
  queues(): Promise<string[]> {
    return this.broker.queues();
  }

  async peer(): Promise<Peer> {
    const peer = await this.broker.peer();
    this.atEnd(() => peer.close());
    return peer;
  }
}

/** A world for the tests of one `describe`. */
export const useRpcWorld = (open: () => Promise<TestBroker>): RpcWorld => {
  const world = new RpcWorld(open);
  beforeAll(() => world.open());
  afterEach(() => world.endTest());
  afterAll(() => world.close());
  return world;
};

/** A result message as bytes, as every peer would write it. */
export const resultBytes = (value: unknown, type: 'success' | 'error' | 'exception' = 'success'): Buffer =>
  Buffer.from(
    JSON.stringify({
      type: 'result',
      name: 'none',
      category: 'message',
      version: '2',
      fingerprint: {},
      content: { type, value, message: '' },
      _reserved: {},
    }),
  );

/** The parameters of a command that a peer got. */
export const parametersOf = ({ content }: PeerMessage): unknown =>
  (JSON.parse(content.toString()) as { content: { parameters: unknown } }).content.parameters;

/** How a peer treats the correlation id of a request in its reply. */
export const echoing = ({ properties: { correlationId } }: PeerMessage): MessageProperties => ({
  correlationId,
  contentType: 'application/json',
});
export const silent = (): MessageProperties => ({});

/** Where a request wants its reply. */
export const replyToOf = ({ properties: { replyTo } }: PeerMessage): string => replyTo ?? '';
