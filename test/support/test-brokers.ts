import type {
  ChannelPort,
  Delivery,
  Driver,
  Exchange,
  Link,
  MessageProperties,
  PostageOptions,
} from 'nestjs-postage';
import { MemoryBroker } from 'nestjs-postage/testing';
import { connect, type ConsumeMessage, type Options } from 'amqplib';
import { createVhost, management } from './rabbit.js';
import { TcpProxy } from './tcp-proxy.js';

/** A message as a peer sees it: bytes and properties. */
export type PeerMessage = Pick<Delivery, 'content' | 'properties' | 'exchange' | 'routingKey'>;

/** A participant without this library, on one channel: it consumes without acks, and sends to queues by their names. */
export interface Peer {
  /** Makes a queue that goes with the peer, and hands on whatever comes to it; '' lets the broker name it. */
  serve(queue: string, onMessage: (message: PeerMessage) => void): Promise<string>;
  /** Makes a queue that nobody consumes yet. */
  declare(queue: string): Promise<void>;
  /** How many messages wait in a queue that exists. */
  waitingIn(queue: string): Promise<number>;
  /** How many consumers a queue has that exists. */
  consumersOf(queue: string): Promise<number>;
  deleteQueue(queue: string): Promise<void>;
  declareExchange(exchange: Exchange): Promise<void>;
  deleteExchange(name: string): Promise<void>;
  send(queue: string, content: Buffer, properties?: MessageProperties): void;
  publish(exchange: string, key: string, content: Buffer, properties?: MessageProperties): void;
  close(): Promise<void>;
}

/** One virtual host of one kind of broker. */
export interface TestBroker {
  /** What an application connects to. */
  readonly connection: NonNullable<PostageOptions['connection']>;
  peer(): Promise<Peer>;
  /** The names of all queues. */
  queues(): Promise<string[]>;
  /** How many channels are open, of applications and peers; RabbitMQ tells it some seconds late. */
  channels(): Promise<number>;
  /** Cuts the applications' connections, without a farewell; peers keep theirs. */
  cut(): void;
  close(): Promise<void>;
}

const QUEUE = { durable: false, exclusive: false, autoDelete: true, arguments: {} } as const;

const openOnRabbit = async (): Promise<TestBroker> => {
  const vhost = await createVhost();
  const proxy = await TcpProxy.to(vhost.url);
  return {
    connection: { url: proxy.url },
    peer: () => rabbitPeer(vhost.url),
    queues: async () => (await vhost.queues()).map(({ name }) => name).toSorted(),
    channels: async () =>
      (await management<unknown[]>('GET', `/vhosts/${encodeURIComponent(vhost.name)}/channels`)).length,
    cut: () => proxy.cut(),
    close: async () => {
      await proxy.close();
      await vhost.delete();
    },
  };
};

const rabbitPeer = async (url: string): Promise<Peer> => {
  const publish: Peer['publish'] = (exchange, key, content, properties = {}) =>
    // amqplib declares its option fields without `undefined`, but treats undefined as absent.
    void channel.publish(exchange, key, content, properties as Options.Publish);
  const model = await connect(url, { noDelay: true });
  model.on('error', () => undefined);
  const channel = await model.createChannel();
  return {
    serve: async (name, onMessage) => {
      const { queue } = await channel.assertQueue(name, QUEUE);
      const listener = (message: ConsumeMessage | null): void => {
        if (message)
          onMessage({ ...message.fields, content: message.content, properties: message.properties });
      };
      await channel.consume(queue, listener, { noAck: true });
      return queue;
    },
    declare: async (queue) => void (await channel.assertQueue(queue, QUEUE)),
    waitingIn: async (queue) => (await channel.checkQueue(queue)).messageCount,
    consumersOf: async (queue) => (await channel.checkQueue(queue)).consumerCount,
    deleteQueue: async (queue) => void (await channel.deleteQueue(queue)),
    declareExchange: async ({ name, type }) => void (await channel.assertExchange(name, type)),
    deleteExchange: async (name) => void (await channel.deleteExchange(name)),
    send: (queue, content, properties) => publish('', queue, content, properties),
    publish,
    close: () => model.close().catch(() => undefined),
  };
};

/** Peers connect to the broker itself, applications through a driver that remembers their links. */
const openInMemory = (): Promise<TestBroker> => {
  const broker = new MemoryBroker();
  const links = new Set<Link>();
  const driver: Driver = {
    connect: async (request) => {
      const link = await broker.connect(request);
      links.add(link);
      return link;
    },
  };
  return Promise.resolve({
    connection: driver,
    channels: () => Promise.resolve(broker.snapshot().links.reduce((sum, { channels }) => sum + channels, 0)),
    peer: () => memoryPeer(broker),
    queues: () =>
      Promise.resolve(
        broker
          .snapshot()
          .queues.map(({ name }) => name)
          .toSorted(),
      ),
    cut: () => {
      for (const link of links) void link.close();
      links.clear();
    },
    close: () => Promise.resolve(),
  });
};

const memoryPeer = async (broker: MemoryBroker): Promise<Peer> => {
  const link = await broker.connect({ connectionName: 'peer' });
  const channel: ChannelPort = await link.openChannel();
  const publish: Peer['publish'] = (exchange, routingKey, content, properties = {}) =>
    void channel.publish({ exchange, routingKey, content, properties, mandatory: false }, () => undefined);
  return {
    serve: async (name, onMessage) => {
      const { queue } = await channel.assertQueue({ name, ...QUEUE, declare: 'assert' });
      await channel.consume(queue, (delivery) => delivery && onMessage(delivery), { noAck: true });
      return queue;
    },
    declare: async (name) => void (await channel.assertQueue({ name, ...QUEUE, declare: 'assert' })),
    waitingIn: async (queue) => (await channel.checkQueue(queue)).messageCount,
    consumersOf: async (queue) => (await channel.checkQueue(queue)).consumerCount,
    deleteQueue: (queue) => channel.deleteQueue(queue),
    declareExchange: (exchange) => channel.assertExchange(exchange),
    deleteExchange: (name) => channel.deleteExchange(name),
    send: (queue, content, properties) => publish('', queue, content, properties),
    publish,
    close: () => link.close(),
  };
};

/** For `describe.each`: what is said of calls is true on both. */
export const TEST_BROKERS = [
  { broker: 'RabbitMQ', open: openOnRabbit },
  { broker: 'MemoryBroker', open: openInMemory },
] as const;
