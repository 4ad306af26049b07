import { Injectable, Module, type INestApplicationContext, type LogLevel, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AmqpConnection,
  RabbitMQModule,
  RabbitPayload,
  RabbitRPC,
  RabbitSubscribe,
  type RabbitMQConfig,
} from '@golevelup/nestjs-rabbitmq';
import { addMethods } from '../../../dist/peers/many-methods.js';
import {
  handlerName,
  type Caller,
  type Handle,
  type Peer,
  type Publisher,
  type Setting,
  type Side,
  type WorkParameters,
} from '../../../dist/side/peer.js';

/** @golevelup/nestjs-rabbitmq on Nest 11. */

const logger: LogLevel[] = ['fatal', 'error', 'warn'];
const RPC_TIMEOUT_MS = 60_000;

const configOf = ({ url, exchange, prefetch }: Setting): RabbitMQConfig => ({
  uri: url,
  exchanges: [{ name: exchange, type: 'direct', options: { durable: true } }],
  prefetchCount: prefetch,
  defaultRpcTimeout: RPC_TIMEOUT_MS,
  connectionManagerOptions: { connectionOptions: { noDelay: true } },
});

const start = async (setting: Setting, providers: Type[]): Promise<INestApplicationContext> => {
  @Module({ imports: [RabbitMQModule.forRoot(configOf(setting))], providers })
  class PeerModule {}
  const app = await NestFactory.createApplicationContext(PeerModule, { logger, abortOnError: false });
  await app.init();
  return app;
};

const startReplier = (setting: Setting): Promise<Side> => {
  const { exchange, queues } = setting;
  @Injectable()
  class EchoService {
    @RabbitRPC({ exchange, routingKey: queues[0], queue: queues[0], queueOptions: { durable: true } })
    echo(@RabbitPayload() parameters: WorkParameters): WorkParameters {
      return parameters;
    }
  }
  return start(setting, [EchoService]);
};

const startConsumer = (setting: Setting, handle: Handle): Promise<Side> => {
  const { exchange, queues } = setting;
  if (setting.handlers > 1)
    throw new Error('golevelup has a consumer for each handler, and none by the name of a message');
  @Injectable()
  class WorkService {}
  addMethods(WorkService, queues.length, {
    method: (parameters: WorkParameters) => handle(parameters),
    decorate: ({ prototype, key, index, descriptor }) => {
      const queue = queues[index] ?? '';
      RabbitPayload()(prototype, key, 0);
      RabbitSubscribe({ exchange, routingKey: queue, queue, queueOptions: { durable: true } })(
        prototype,
        key,
        descriptor,
      );
    },
  });
  return start(setting, [WorkService]);
};

const startSender = async (setting: Setting): Promise<Caller & Publisher> => {
  const app = await start(setting, []);
  const connection = app.get(AmqpConnection);
  const { exchange, persistent } = setting;
  const [routingKey] = setting.queues;
  return {
    call: (payload) =>
      connection.request<WorkParameters>({ exchange, routingKey, payload, publishOptions: { persistent } }),
    publish: (parameters) =>
      connection.publish(exchange, routingKey, parameters, { persistent, type: handlerName(0) }),
    close: () => app.close(),
  };
};

export const peer: Peer = {
  startReplier,
  startCaller: startSender,
  startPublisher: startSender,
  startConsumer,
};
