import type { INestMicroservice } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  DEFAULT_EXCHANGE,
  GenericConsumer,
  MessageHandler,
  Parameters,
  PostageContext,
  RpcHandler,
  type MessageProperties,
  type PostageModuleOptions,
} from 'nestjs-postage';
import { expect } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import type { Peer, PeerMessage } from '../support/test-brokers.js';
import type { RpcWorld } from './rpc-world.js';
import { call, command, type Events, type Result } from './world.js';

/** What a handler of these tests does, as a function. */
export type Doing = (parameters: unknown, context: PostageContext) => unknown;

export interface Served {
  readonly app: INestMicroservice;
  readonly events: Events;
  readonly consumer: GenericConsumer;
  readonly queue: string;
  /** Resolves once no handler of it runs, and all that its handlers had to send has been sent. */
  readonly atRest: () => Promise<void>;
}

type ServerOptions = Omit<PostageModuleOptions, 'observer' | 'connection'>;

/** An application that does this for the rpc `go`, and for the message `note`; the rpc `mark` does nothing. */
export const serve = async (
  world: RpcWorld,
  doing: Doing,
  { queue = uniqueName('served'), ...options }: ServerOptions & { readonly queue?: string } = {},
): Promise<Served> => {
  class Handlers {
    @RpcHandler('command', 'go')
    go(@Parameters() parameters: unknown, @Ctx() context: PostageContext): unknown {
      return doing(parameters, context);
    }

    @MessageHandler('command', 'note')
    note(@Parameters() parameters: unknown, @Ctx() context: PostageContext): unknown {
      return doing(parameters, context);
    }

    @RpcHandler('command', 'mark')
    mark(): void {}
  }
  const { app, events } = await world.server(queue, Handlers, options);
  const consumer = app.get(GenericConsumer);
  const atRest = (): Promise<void> =>
    eventually(() => expect(consumer.snapshot.every(({ inFlight }) => inFlight === 0)).toBe(true));
  return { app, events, consumer, queue, atRest };
};

/** A second queue of a server, which outlives its connections. */
export const lastingQueue = async ({ consumer }: Served, queue = uniqueName('lasting')): Promise<string> => {
  await consumer.queueBind(DEFAULT_EXCHANGE, queue, queue, { durable: true, autoDelete: false });
  return queue;
};

/** What callers of this library say of an attempt: the id is that of the call, and of no other. */
export const attempt = (
  messageId: string,
  number = 1,
  headers: Readonly<Record<string, unknown>> = {},
): MessageProperties => ({
  messageId,
  correlationId: messageId,
  headers: { 'postage-attempt': number, ...headers },
});

/** A caller without this library, with one address for all its replies. */
export class Asker {
  readonly replies = new Inbox<PeerMessage>();

  private constructor(
    readonly peer: Peer,
    readonly replyTo: string,
  ) {}

  static async of(world: RpcWorld): Promise<Asker> {
    const peer = await world.peer();
    const asker = new Asker(peer, uniqueName('replies'));
    await peer.serve(asker.replyTo, asker.replies.push);
    return asker;
  }

  /** Sends the rpc `go`, with these properties and no others but where the reply goes to. */
  ask(queue: string, properties: MessageProperties = {}, parameters?: unknown): void {
    this.send(queue, JSON.stringify(call('go', parameters)), properties);
  }

  /** Sends any body as an rpc. */
  send(queue: string, body: string | object, properties: MessageProperties = {}): void {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    this.peer.send(queue, Buffer.from(text), {
      contentType: 'application/json',
      replyTo: this.replyTo,
      ...properties,
    });
  }

  /** Sends the message `note`. */
  note(queue: string, properties: MessageProperties = {}, parameters?: unknown): void {
    const bytes = Buffer.from(JSON.stringify(command('note', parameters)));
    this.peer.send(queue, bytes, { contentType: 'application/json', ...properties });
  }

  /** The one reply that has come so far. */
  async first(): Promise<PeerMessage> {
    return only(await this.replies.take(1));
  }

  /**
   * All replies up to the answer to a last question. Replies of an application keep their order: what it has sent before
   * that question has come before the answer.
   */
  async repliesUntilMark(queue: string): Promise<readonly PeerMessage[]> {
    const correlationId = uniqueName('mark');
    this.send(queue, call('mark', undefined), { correlationId });
    return eventually(() => {
      const index = this.replies.items.findIndex((reply) => reply.properties.correlationId === correlationId);
      if (index < 0) throw new Error('the mark has not come');
      return this.replies.items.slice(0, index);
    });
  }
}

/** Its first item, which must be there. */
export const only = <T>([item]: readonly T[]): T => {
  if (item === undefined) throw new Error('there is none');
  return item;
};

/** What a reply says. */
export const resultIn = ({ content }: PeerMessage): Result =>
  (JSON.parse(content.toString()) as { content: Result }).content;

/** Something that handlers wait for, and that the test opens once for all of them. */
export class Gate {
  readonly #inbox = new Inbox<true>();

  readonly open = (): void => this.#inbox.push(true);

  async passed(): Promise<void> {
    await this.#inbox.take(1, 60_000);
  }
}
