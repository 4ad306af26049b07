import { Controller, Module, type LogLevel, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientsModule,
  Ctx,
  EventPattern,
  MessagePattern,
  Payload,
  RmqContext,
  Transport,
  type ClientProxy,
  type RmqOptions,
} from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
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
import { addMethods } from './many-methods.js';

/** The RMQ transport that Nest brings along. */

const logger: LogLevel[] = ['fatal', 'error', 'warn'];

type Options = NonNullable<RmqOptions['options']>;

/** What an application sets beyond where the broker is, and whether messages are persistent. */
export interface Tuning {
  readonly socketOptions?: NonNullable<Options['socketOptions']>;
  /** Messages are acknowledged by the handler, and the prefetch counts. Otherwise neither. */
  readonly manualAck: boolean;
}

const connectionOf = ({ url, persistent }: Setting, { socketOptions }: Tuning): Options => ({
  urls: [url],
  persistent,
  ...(socketOptions === undefined ? {} : { socketOptions }),
});

const serverOf = (queue: string, setting: Setting, tuning: Tuning): RmqOptions => ({
  transport: Transport.RMQ,
  options: {
    ...connectionOf(setting, tuning),
    queue,
    ...(tuning.manualAck ? { noAck: false, prefetchCount: setting.prefetch } : {}),
  },
});

const ack = (context: RmqContext): void => {
  // Nest says `Record<string, any>` of the message, and nothing of the channel.
  const channel = context.getChannelRef() as { ack(message: unknown): void };
  channel.ack(context.getMessage());
};

const startServers = async (controller: Type, setting: Setting, tuning: Tuning): Promise<Side> => {
  @Module({ controllers: [controller] })
  class ReceiverModule {}
  const options = { logger, abortOnError: false };
  const servers = setting.queues.map((queue) => serverOf(queue, setting, tuning));
  const [only, ...others] = servers;
  if (only !== undefined && others.length === 0) {
    const app = await NestFactory.createMicroservice(ReceiverModule, { ...only, ...options });
    await app.listen();
    return app;
  }
  // A server has one queue.
  const app = await NestFactory.create(ReceiverModule, options);
  for (const server of servers) app.connectMicroservice(server);
  await app.startAllMicroservices();
  return app;
};

const replierOf = ({ manualAck }: Tuning): Type => {
  @Controller()
  class EchoController {
    @MessagePattern(handlerName(0))
    echo(@Payload() parameters: WorkParameters, @Ctx() context: RmqContext): WorkParameters {
      if (manualAck) ack(context);
      return parameters;
    }
  }
  return EchoController;
};

const consumerOf = (setting: Setting, handle: Handle, { manualAck }: Tuning): Type => {
  @Controller()
  class WorkController {}
  addMethods(WorkController, setting.handlers, {
    method: async (parameters: WorkParameters, context: RmqContext): Promise<void> => {
      await handle(parameters);
      if (manualAck) ack(context);
    },
    decorate: ({ prototype, key, index, descriptor }) => {
      Payload()(prototype, key, 0);
      Ctx()(prototype, key, 1);
      EventPattern(handlerName(index))(prototype, key, descriptor);
    },
  });
  return WorkController;
};

const CLIENT = 'WORK';

const startSender = async (setting: Setting, tuning: Tuning): Promise<Caller & Publisher> => {
  const [queue] = setting.queues;
  @Module({
    imports: [
      ClientsModule.register([
        { name: CLIENT, transport: Transport.RMQ, options: { ...connectionOf(setting, tuning), queue } },
      ]),
    ],
  })
  class SenderModule {}
  const app = await NestFactory.createApplicationContext(SenderModule, { logger, abortOnError: false });
  const client = app.get<ClientProxy>(CLIENT);
  await client.connect();
  return {
    call: (parameters) => firstValueFrom(client.send<WorkParameters>(handlerName(0), parameters)),
    publish: (parameters) =>
      firstValueFrom(client.emit<void>(handlerName(0), parameters), { defaultValue: undefined }),
    close: () => app.close(),
  };
};

export const nestPeer = (tuning: Tuning): Peer => ({
  startReplier: (setting) => startServers(replierOf(tuning), setting, tuning),
  startCaller: (setting) => startSender(setting, tuning),
  startPublisher: (setting) => startSender(setting, tuning),
  startConsumer: (setting, handle) => startServers(consumerOf(setting, handle, tuning), setting, tuning),
});
