import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, type ClientProxy } from '@nestjs/microservices';
import type { ConsumeMessage } from 'amqplib';
import { PostageClient, type Eks, type PostageClientOptions } from 'nestjs-postage';
import type { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { Events, type World } from './world.js';

type ClientOptions = Partial<PostageClientOptions> & Pick<PostageClientOptions, 'eks'>;
type Body = Readonly<Record<'type' | 'name' | 'category' | 'content' | 'fingerprint', unknown>>;

export const bodyOf = ({ content }: ConsumeMessage): Body => JSON.parse(content.toString()) as Body;

export interface ClientApp {
  readonly app: INestApplicationContext;
  readonly client: ClientProxy;
  readonly events: Events;
}

/** Clients in a world, and what they send. */
export const clientsOf = (world: World) => {
  /** To the exchange of this name, with its name as the key. */
  const eksOf = (name: string): Eks => [[world.exchangeOf(name), name]];

  /** An application that was given a client, as all Nest code would be. */
  const withClient = async (options: ClientOptions): Promise<ClientApp> => {
    const events = new Events();
    const all = { connection: { url: world.url }, observer: events.observe, ...options };
    @Module({
      imports: [ClientsModule.register([{ name: 'PRINTER', customClass: PostageClient, options: all }])],
    })
    class App {}
    const app = await NestFactory.createApplicationContext(App, { logger: false });
    world.atEnd(() => app.close());
    return { app, events, client: app.get<ClientProxy>('PRINTER') };
  };

  /** Couples that nobody but the raw peer listens to, and what comes to it. */
  const overheard = async (): Promise<{ eks: Eks; inbox: Inbox<ConsumeMessage> }> => {
    const name = uniqueName('overheard');
    await world.peer.channel.assertExchange(name, 'direct', { durable: true });
    return { eks: eksOf(name), inbox: await world.peer.listen(name, name) };
  };
  return { eksOf, withClient, overheard };
};
