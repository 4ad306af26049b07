import type { INestMicroservice, Type } from '@nestjs/common';
import type { ConsumeMessage, GetMessage, Options } from 'amqplib';
import {
  DEFAULT_EXCHANGE,
  defineExchange,
  type Eqk,
  type Exchange,
  type ExchangeType,
  type PostageEvent,
  type PostageModuleOptions,
} from 'nestjs-postage';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { RawPeer } from '../support/raw-peer.js';
import { createVhost, uniqueName, type Vhost } from '../support/rabbit.js';

type Kind = PostageEvent['kind'];
type EventOf<K extends Kind> = Extract<PostageEvent, { kind: K }>;

/** Everything an application told its observer, by kind. */
export class Events {
  readonly #byKind = new Map<Kind, Inbox<PostageEvent>>();

  readonly observe = (event: PostageEvent): void => this.#inbox(event.kind).push(event);

  of<K extends Kind>(kind: K): Inbox<EventOf<K>> {
    // An inbox holds events of its own kind only.
    return this.#inbox(kind) as unknown as Inbox<EventOf<K>>;
  }

  /** For long tests: what has been told so far would look like a leak. */
  forget(): void {
    this.#byKind.clear();
  }

  #inbox(kind: Kind): Inbox<PostageEvent> {
    const inbox = this.#byKind.get(kind) ?? new Inbox<PostageEvent>();
    this.#byKind.set(kind, inbox);
    return inbox;
  }
}

export interface ReceiverSetup {
  readonly options?: Omit<PostageModuleOptions, 'observer'>;
  readonly extra?: Parameters<typeof startReceiver>[2];
  readonly configure?: (app: INestMicroservice) => void;
}

export interface Receiver {
  readonly app: INestMicroservice;
  readonly events: Events;
}

/** What the raw peer writes into its messages as who it is. */
export const PEER = { name: 'raw', type: 'peer', pid: '1', host: 'elsewhere', user: 'nobody', vhost: '/' };

interface RawParts {
  readonly type?: string;
  readonly content?: object;
  readonly fingerprint?: object;
}

const raw = (
  category: string,
  name: unknown,
  { type = 'command', content = {}, fingerprint = PEER }: RawParts,
): object => ({
  type,
  name,
  category,
  version: '2',
  fingerprint,
  content,
  _reserved: {},
});

/** Bodies written by hand, as another implementation would. */
export const message = (name: unknown, parts: RawParts = {}): object => raw('message', name, parts);
export const rpc = (name: unknown, parts: RawParts = {}): object => raw('rpc', name, parts);
export const command = (name: string, parameters: unknown): object =>
  message(name, { content: { parameters } });
export const call = (name: string, parameters: unknown): object => rpc(name, { content: { parameters } });

export interface Result {
  readonly type: string;
  readonly value: unknown;
  readonly message: string;
}

/** The content of a reply as it was on the wire. */
export const resultOf = (reply: ConsumeMessage): Result =>
  (JSON.parse(reply.content.toString()) as { content: Result }).content;

export const success = (value: unknown): Result => ({ type: 'success', value, message: '' });
export const failure = (text: string): Result => ({ type: 'error', value: null, message: text });
export const exception = (name: string, text: string): Result => ({
  type: 'exception',
  value: name,
  message: text,
});

/** A copy in an order that does not depend on when what arrived. */
export const sorted = <T>(items: readonly T[]): T[] =>
  items.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));

/** The eqk of a queue that is addressed by its name. */
export const byName = (queue: string): Eqk => [[DEFAULT_EXCHANGE, [[queue, queue]]]];

export interface GuardedQueue {
  readonly queue: string;
  readonly exchange: Exchange;
  readonly eqk: Eqk;
  /** What is dead-lettered. */
  readonly dead: Inbox<ConsumeMessage>;
}

/** A virtual host, a raw peer in it, and the applications of one test, which end with the test. */
export class World {
  #vhost: Vhost | undefined;
  #peer: RawPeer | undefined;
  readonly #closers: (() => Promise<unknown>)[] = [];

  async open(): Promise<void> {
    this.#vhost = await createVhost();
    this.#peer = await RawPeer.connect(this.#vhost.url);
  }

  async endTest(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  async close(): Promise<void> {
    await this.#peer?.close();
    await this.#vhost?.delete();
  }

  get url(): string {
    return this.vhost.url;
  }

  get vhost(): Vhost {
    if (!this.#vhost) throw new Error('the world is not open yet');
    return this.#vhost;
  }

  get peer(): RawPeer {
    if (!this.#peer) throw new Error('the world is not open yet');
    return this.#peer;
  }

  /** Ends every connection, as an operator would, until this application has noticed; the peer gets a new one. */
  async cut(events: Events, role: 'consume' | 'publish' = 'consume'): Promise<void> {
    const lost = events.of('connection.lost');
    const before = lost.items.filter((event) => event.role === role).length;
    // Management lists a connection some seconds after it was opened.
    await eventually(async () => {
      await this.vhost.closeConnections();
      if (lost.items.filter((event) => event.role === role).length === before) throw new Error('not cut yet');
    });
    await this.#peer?.close();
    this.#peer = await RawPeer.connect(this.url);
  }

  /** Runs when the test ends, whether it passed or not. */
  atEnd(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async receive(
    controllers: Type[],
    { options = {}, extra = {}, configure }: ReceiverSetup = {},
  ): Promise<Receiver> {
    const events = new Events();
    const all = { connection: { url: this.url }, ...options, observer: events.observe };
    const app = await startReceiver(all, controllers, extra, configure);
    this.atEnd(() => app.close());
    return { app, events };
  }

  send(queue: string, body: string | Buffer | object, options: Options.Publish = {}): void {
    this.peer.publish('', queue, body, { contentType: 'application/json', ...options });
  }

  /** Sends an rpc and hands back the inbox of its reply queue. */
  async ask(
    queue: string,
    body: object | Buffer | string,
    options: Options.Publish = {},
  ): Promise<Inbox<ConsumeMessage>> {
    return this.askVia('', queue, body, options);
  }

  async askVia(
    exchange: string,
    key: string,
    body: object | Buffer | string,
    options: Options.Publish = {},
  ): Promise<Inbox<ConsumeMessage>> {
    const { queue: replyTo } = await this.peer.channel.assertQueue('', { exclusive: true });
    const inbox = await this.peer.consume(replyTo);
    this.peer.publish(exchange, key, body, { contentType: 'application/json', replyTo, ...options });
    return inbox;
  }

  /** The one reply to an rpc, read from the wire. */
  async resultOf(queue: string, body: object | Buffer | string): Promise<Result> {
    const [reply] = await (await this.ask(queue, body)).take(1);
    return resultOf(reply as ConsumeMessage);
  }

  /** An exchange of its own. */
  exchange(type: ExchangeType = 'direct'): Exchange {
    return defineExchange({ name: uniqueName('x'), type });
  }

  /** The direct exchange of this name; the default exchange for the empty name. */
  exchangeOf(name: string): Exchange {
    return name === '' ? DEFAULT_EXCHANGE : defineExchange({ name });
  }

  /** A queue with a dead-letter exchange, bound with its name as the key, and what comes out of that. */
  async guardedQueue(): Promise<GuardedQueue> {
    const [queue, deadLetterExchange] = [uniqueName('guarded'), uniqueName('dlx')];
    await this.peer.channel.assertExchange(deadLetterExchange, 'fanout');
    const exchange = this.exchange();
    const eqk: Eqk = [[exchange, [[{ name: queue, flags: { deadLetterExchange } }, queue]]]];
    return { queue, exchange, eqk, dead: await this.peer.listen(deadLetterExchange, '') };
  }

  /** The next message of a queue that nobody consumes any more, as text; undefined when it is empty. */
  async leftIn(queue: string): Promise<string | undefined> {
    const got = await this.peer.channel.get(queue, { noAck: true });
    return got === false ? undefined : got.content.toString();
  }

  /** The first dead letter of a queue that nobody consumes any more, where a mark is rejected just now: `mark` when there was none before. */
  async firstDeadLetter({ queue, dead }: Pick<GuardedQueue, 'queue' | 'dead'>): Promise<string | undefined> {
    this.peer.publish('', queue, 'mark');
    this.peer.channel.nack(await this.#get(queue), false, false);
    return (await dead.take(1))[0]?.content.toString();
  }

  /** Takes a message out of a queue that nobody consumes, and puts it back: the broker marks it as redelivered. */
  async rejectBack(queue: string): Promise<void> {
    this.peer.channel.nack(await this.#get(queue), false, true);
    await this.peer.channel.checkQueue(queue);
  }

  async #get(queue: string): Promise<GetMessage> {
    const got = await this.peer.channel.get(queue);
    if (got) return got;
    throw new Error(`queue "${queue}" is empty`);
  }
}

/** A world for the tests of this file. */
export const useWorld = (): World => {
  const world = new World();
  beforeAll(() => world.open());
  afterEach(() => world.endTest());
  afterAll(() => world.close());
  return world;
};
