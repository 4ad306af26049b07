import { Connection, type ConsumerProps } from 'rabbitmq-client';
import {
  handlerName,
  type Caller,
  type Handle,
  type Peer,
  type Publisher,
  type Setting,
  type Side,
  type WorkParameters,
} from '../side/peer.js';

const open = (url: string): Connection => {
  const connection = new Connection({ url, noDelay: true });
  connection.on('error', (error) => console.error(error));
  return connection;
};

const propsOf = (queue: string, { exchange, prefetch }: Setting): ConsumerProps => ({
  queue,
  queueOptions: { durable: true },
  exchanges: [{ exchange, type: 'direct', durable: true }],
  queueBindings: [{ exchange, routingKey: queue }],
  qos: { prefetchCount: prefetch },
});

type Consumer = ReturnType<Connection['createConsumer']>;

const ready = (consumer: Consumer): Promise<Consumer> =>
  new Promise((resolve, reject) => {
    consumer.once('ready', () => resolve(consumer));
    consumer.once('error', reject);
  });

const startReplier = async (setting: Setting): Promise<Side> => {
  const connection = open(setting.url);
  const consumer = await ready(
    connection.createConsumer(propsOf(setting.queues[0], setting), async (request, reply) => {
      await reply(request.body);
    }),
  );
  return {
    close: async () => {
      await consumer.close();
      await connection.close();
    },
  };
};

const startCaller = async (setting: Setting): Promise<Caller> => {
  const connection = open(setting.url);
  const client = connection.createRPCClient();
  const [routingKey] = setting.queues;
  const { exchange, persistent: durable } = setting;
  return {
    call: async (parameters) => {
      const reply = await client.send({ exchange, routingKey, durable, mandatory: true }, parameters);
      // The body of a message is of type `any`: JSON that the replier has sent back.
      return reply.body as WorkParameters;
    },
    close: async () => {
      await client.close();
      await connection.close();
    },
  };
};

const startPublisher = async (setting: Setting): Promise<Publisher> => {
  const connection = open(setting.url);
  const publisher = connection.createPublisher({ confirm: true });
  const [routingKey] = setting.queues;
  const { exchange, persistent: durable } = setting;
  return {
    publish: (parameters) =>
      publisher.send({ exchange, routingKey, durable, type: handlerName(0) }, parameters),
    close: async () => {
      await publisher.close();
      await connection.close();
    },
  };
};

const startConsumer = async (setting: Setting, handle: Handle): Promise<Side> => {
  const connection = open(setting.url);
  const handlers = new Map<unknown, Handle>(
    Array.from({ length: setting.handlers }, (_, index) => [
      handlerName(index),
      (parameters: WorkParameters) => handle(parameters),
    ]),
  );
  const consumers = await Promise.all(
    setting.queues.map((queue) =>
      ready(
        connection.createConsumer(propsOf(queue, setting), async (message) => {
          await handlers.get(message.type)?.(message.body as WorkParameters);
        }),
      ),
    ),
  );
  return {
    close: async () => {
      await Promise.all(consumers.map((consumer) => consumer.close()));
      await connection.close();
    },
  };
};

export const peer: Peer = { startReplier, startCaller, startPublisher, startConsumer };
