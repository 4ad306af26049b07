import { Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Address,
  ApplicationProducer,
  GenericProducer,
  MessageHandler,
  Parameters,
  PostageModule,
  Processor,
  Producer,
  RpcHandler,
  type ApplicationOptions,
  type PostageModuleOptions,
  type RpcMethod,
} from 'nestjs-postage';
import { startReceiver } from '../support/apps.js';
import { Inbox } from '../support/eventually.js';
import { useRpcWorld, type RpcWorld } from './rpc-world.js';
import { Events } from './world.js';

/** The commands of a worker, with their types. */
@Producer()
class WorkerProducer extends GenericProducer {
  declare rpcDouble: RpcMethod<number, number>;
}

export interface MemberSetup {
  readonly name?: string;
  readonly host?: string;
  readonly application?: ApplicationOptions;
  readonly options?: Partial<PostageModuleOptions>;
  /** Of its processor. */
  readonly prefetch?: number;
  /** What `note` does; the message is heard before. */
  readonly onNote?: (value: unknown) => unknown;
  /** Before it listens. */
  readonly configure?: (app: INestMicroservice) => void;
}

let pids = 1_000;

/** A component within this process: several of them are told apart by pretended process ids. */
const startMember = async (world: RpcWorld, setup: MemberSetup = {}) => {
  const { name = 'worker', host = 'h1', application = {}, options, prefetch, onNote, configure } = setup;
  const heard = new Inbox<unknown>();
  @Processor(prefetch === undefined ? {} : { prefetch })
  class Handlers {
    @RpcHandler('command', 'double')
    double(@Parameters() value: number): number {
      return value * 2;
    }

    @MessageHandler('command', 'note')
    async note(@Parameters() value: unknown): Promise<void> {
      heard.push(value);
      await onNote?.(value);
    }
  }
  pids += 1;
  const events = new Events();
  const fingerprint = { name, host, pid: String(pids) };
  const { connection } = world.broker;
  const app = await startReceiver(
    { connection, observer: events.observe, fingerprint, application, ...options },
    [Handlers],
    {},
    configure,
  );
  world.atEnd(() => app.close());
  return { app, events, heard, pid: fingerprint.pid, address: Address.unique(fingerprint.pid, host) };
};

/** A program that talks to components, and is none itself. */
const startOperator = async (world: RpcWorld, options: Partial<PostageModuleOptions> = {}) => {
  const { connection } = world.broker;
  const root = PostageModule.forRoot({ connection, fingerprint: { name: 'operator' }, ...options });
  @Module({ imports: [PostageModule.forFeature([WorkerProducer]), root] })
  class OperatorModule {}
  const app = await NestFactory.createApplicationContext(OperatorModule, { logger: false });
  world.atEnd(() => app.close());
  return { app, applications: app.get(ApplicationProducer), worker: app.get(WorkerProducer) };
};

/** A world of components for the tests of one `describe`. */
export const useApplications = (open: Parameters<typeof useRpcWorld>[0]) => {
  const world = useRpcWorld(open);
  return {
    world,
    member: (setup?: MemberSetup) => startMember(world, setup),
    operator: (options?: Partial<PostageModuleOptions>) => startOperator(world, options),
  };
};
