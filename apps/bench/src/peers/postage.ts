import { Injectable, Module, type LogLevel, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  defineExchange,
  GenericProducer,
  InjectProducer,
  MessageHandler,
  Parameters,
  PostageModule,
  Processor,
  Producer,
  RpcHandler,
  type Eqk,
  type MessageMethod,
  type ProducerOf,
  type RpcMethod,
} from 'nestjs-postage';
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

/** This library in its default configuration, with controllers and producers as an application has them. */

const logger: LogLevel[] = ['fatal', 'error', 'warn'];

const eqkOf = ({ exchange, queues }: Setting): Eqk => [
  [defineExchange({ name: exchange }), queues.map((queue) => [queue, queue] as const)],
];

const startMicroservice = async (controller: Type, url: string): Promise<Side> => {
  @Module({ imports: [PostageModule.forRoot({ connection: { url } })], controllers: [controller] })
  class ReceiverModule {}
  const app = await NestFactory.createMicroservice(ReceiverModule, {
    ...PostageModule.microservice(),
    logger,
    abortOnError: false,
  });
  await app.listen();
  return app;
};

const startReplier = (setting: Setting): Promise<Side> => {
  @Processor({ eqk: eqkOf(setting), prefetch: setting.prefetch })
  class EchoProcessor {
    @RpcHandler('command', handlerName(0))
    echo(@Parameters() parameters: WorkParameters): WorkParameters {
      return parameters;
    }
  }
  return startMicroservice(EchoProcessor, setting.url);
};

const startConsumer = (setting: Setting, handle: Handle): Promise<Side> => {
  @Processor({ eqk: eqkOf(setting), prefetch: setting.prefetch })
  class WorkProcessor {}
  addMethods(WorkProcessor, setting.handlers, {
    method: (parameters: WorkParameters) => handle(parameters),
    decorate: ({ prototype, key, index, descriptor }) => {
      Parameters()(prototype, key, 0);
      MessageHandler('command', handlerName(index))(prototype, key, descriptor);
    },
  });
  return startMicroservice(WorkProcessor, setting.url);
};

interface Sender {
  call(parameters: WorkParameters): Promise<unknown>;
  publish(parameters: WorkParameters): Promise<void>;
}

const senderOf = ({
  exchange,
  queues,
  persistent,
}: Setting): { Sender: Type<Sender>; producer: Type<GenericProducer> } => {
  @Producer({ eks: [[defineExchange({ name: exchange }), queues[0]]], defaults: { persistent } })
  class WorkProducer extends GenericProducer {
    declare rpcWork: RpcMethod<WorkParameters, WorkParameters>;
    declare messageWork: MessageMethod<WorkParameters>;
  }

  @Injectable()
  class WorkSender implements Sender {
    constructor(@InjectProducer(WorkProducer) private readonly work: ProducerOf<WorkProducer>) {}

    async call(parameters: WorkParameters): Promise<WorkParameters> {
      return (await this.work.rpcWork(parameters)).unwrap();
    }

    publish(parameters: WorkParameters): Promise<void> {
      return this.work.messageWork(parameters);
    }
  }
  return { Sender: WorkSender, producer: WorkProducer };
};

const startSender = async (setting: Setting): Promise<Caller & Publisher> => {
  const { Sender, producer } = senderOf(setting);
  @Module({
    imports: [
      PostageModule.forFeature([producer]),
      PostageModule.forRoot({ connection: { url: setting.url } }),
    ],
    providers: [Sender],
  })
  class SenderModule {}
  const app = await NestFactory.createApplicationContext(SenderModule, { logger, abortOnError: false });
  const sender = app.get(Sender);
  return {
    call: (parameters) => sender.call(parameters),
    publish: (parameters) => sender.publish(parameters),
    close: () => app.close(),
  };
};

export const peer: Peer = {
  startReplier,
  startCaller: startSender,
  startPublisher: startSender,
  startConsumer,
};
