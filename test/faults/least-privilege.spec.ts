import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Address,
  ApplicationMember,
  ApplicationProducer,
  defineExchange,
  FleetDirectory,
  GenericApplicationExchange,
  GenericProducer,
  MessageHandler,
  Parameters,
  PostageModule,
  Processor,
  Producer,
  RpcHandler,
  TopologyError,
  type DeclareMode,
  type PostageModuleOptions,
} from 'nestjs-postage';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { Events } from '../integration/world.js';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { createVhost, givenBroker, managementOf, type Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import {
  closeConnectionsOf,
  createUser,
  deleteUser,
  type NodeUser,
  type Rights,
} from './support/fault-node.js';

/** As docs/security.md has them. */
const NOTHING = '^$';
const CONSUMER: Rights = { configure: NOTHING, write: NOTHING, read: '^jobs$' };
const ANSWERER: Rights = { configure: NOTHING, write: '^amq\\.default$', read: '^jobs$' };
const PUBLISHER: Rights = { configure: NOTHING, write: '^work$', read: NOTHING };
const CALLER: Rights = { configure: NOTHING, write: '^(work|amq\\.default)$', read: NOTHING };
const CALLER_WITH_QUEUES: Rights = { configure: '^amq\\.gen-.*$', write: '^work$', read: '^amq\\.gen-.*$' };
const DECLARER: Rights = {
  configure: '^(own-work|own-jobs)$',
  write: '^(own-jobs|dead)$',
  read: '^(own-jobs|own-work)$',
};
const OWN = 'generic-application-.*|monitor([@#/].*)?|[0-9]+@.*|amq\\.gen-.*';
const COMPONENT: Rights = { configure: `^(${OWN})$`, write: `^(amq\\.default|${OWN})$`, read: `^(${OWN})$` };
const OPERATOR: Rights = {
  configure: NOTHING,
  write: '^(amq\\.default|generic-application-exchange)$',
  read: NOTHING,
};
const OBSERVER: Rights = {
  configure: '^(generic-application-status-exchange|amq\\.gen-.*)$',
  write: '^amq\\.gen-.*$',
  read: '^(generic-application-status-exchange|amq\\.gen-.*)$',
};

const broker = givenBroker();
const reconnect = { initialDelayMs: 20, maxDelayMs: 200 };
const unhandled = useUnhandledRejections();
const heard = { current: new Inbox<unknown>() };
let vhost: Vhost;

const userWith = async (rights: Rights): Promise<NodeUser> => {
  const user = await createUser(broker, vhost, rights);
  onTestFinished(() => deleteUser(broker, user));
  return user;
};

const workerOf = (declare: DeclareMode, queue = 'jobs'): new () => object => {
  const Work = defineExchange({ name: 'work', declare });
  @Processor({ eqk: [[Work, [[{ name: queue, declare }, 'job']]]] })
  class Worker {
    @MessageHandler('command', 'job')
    job(@Parameters() parameters: unknown): void {
      heard.current.push(parameters);
    }

    @RpcHandler('command', 'double')
    double(@Parameters() value: number): number {
      return value * 2;
    }
  }
  return Worker;
};

const consume = async (user: NodeUser, declare: DeclareMode, queue?: string): Promise<Events> => {
  const events = new Events();
  const options = { connection: { url: user.url }, reconnect, observer: events.observe };
  const app = await startReceiver(options, [workerOf(declare, queue)]);
  onTestFinished(() => app.close());
  return events;
};

const open = async (user: NodeUser, given: PostageModuleOptions = {}): Promise<INestApplicationContext> => {
  const root = PostageModule.forRoot({ connection: { url: user.url }, reconnect, ...given });
  @Module({ imports: [PostageModule.forFeature([Jobs]), root] })
  class SenderModule {}
  const app = await NestFactory.createApplicationContext(SenderModule, { logger: false });
  onTestFinished(() => app.close());
  return app;
};

const allOf = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

@Producer({ eks: [[defineExchange({ name: 'work', declare: 'assume' }), 'job']] })
class Jobs extends GenericProducer {}

beforeAll(async () => {
  vhost = await createVhost('rights');
  await using peer = await RawPeer.connect(vhost.url);
  await peer.channel.assertExchange('work', 'direct');
  await peer.channel.assertQueue('jobs');
  await peer.channel.bindQueue('jobs', 'work', 'job');
});
afterAll(() => vhost.delete());
beforeEach(() => {
  heard.current = new Inbox();
});

/** A binding of something that is only checked is made all the same; of what is assumed it is not. */
const MORE = {
  assume: { write: NOTHING, read: NOTHING },
  passive: { write: '^jobs$', read: '^work$' },
} as const;

const and = (rights: Rights, { write, read }: Rights): Rights => ({
  ...rights,
  write: `${rights.write}|${write}`,
  read: `${rights.read}|${read}`,
});

describe.each(['assume', 'passive'] as const)('with topology that is declared by others (%s)', (declare) => {
  const Work = defineExchange({ name: 'work', declare });

  it('a consumer needs the right to read its queue, and a publisher the one to write to its exchange', async () => {
    await consume(await userWith(and(CONSUMER, MORE[declare])), declare);
    const jobs = (await open(await userWith(PUBLISHER))).get(Jobs).with({ eks: [[Work, 'job']] });
    await jobs.with({ mandatory: true }).command('job', 'one');
    expect(await heard.current.take(1)).toEqual(['one']);
    expect(unhandled).toEqual([]);
  });

  it('whoever answers and calls needs the right to write to the default exchange besides, and none to have queues', async () => {
    await consume(await userWith(and(ANSWERER, MORE[declare])), declare);
    const events = new Events();
    const app = await open(await userWith(CALLER), { observer: events.observe });
    const jobs = app.get(Jobs).with({ eks: [[Work, 'job']], timeoutMs: 20_000 });

    // After a hundred answers with a correlation id calls would rather have queues.
    for (let value = 0; value < 250; value += 1)
      expect((await jobs.rpc('double', value)).unwrap()).toBe(value * 2);
    expect(await allOf(jobs.gather('double', 4, { count: 1 }))).toMatchObject([{ value: 8 }]);
    expect(events.of('warning').items.map(({ text }) => text)).toEqual([
      expect.stringContaining('calls go on with direct reply-to') as string,
    ]);
    await expect(jobs.with({ queueOnly: true }).rpc('double', 1)).rejects.toMatchObject({
      code: 'TOPOLOGY_REFUSED',
      amqpCode: 403,
      message: expect.stringContaining('^amq\\.gen-.*$') as string,
    });
    expect(unhandled).toEqual([]);
  });
});

it('whoever declares and binds its own needs no more than that, and to write where its dead letters go', async () => {
  const Own = defineExchange({ name: 'own-work', alternateExchange: 'dead' });
  @Processor({ eqk: [[Own, [[{ name: 'own-jobs', flags: { deadLetterExchange: 'dead' } }, 'job']]]] })
  class Owner {
    @MessageHandler('command', 'job')
    job(@Parameters() parameters: unknown): void {
      heard.current.push(parameters);
    }
  }
  const starting = async (rights: Rights): Promise<void> => {
    const app = await startReceiver({ connection: { url: (await userWith(rights)).url } }, [Owner]);
    onTestFinished(() => app.close());
  };
  await expect(starting({ ...DECLARER, write: '^own-jobs$' })).rejects.toMatchObject({
    message: expect.stringContaining('write permission on exchange "dead"') as string,
  });
  // An alternate exchange takes the right to read the exchange that has it, a dead-letter exchange that of the queue.
  await expect(starting({ ...DECLARER, read: '^own-jobs$' })).rejects.toMatchObject({ amqpCode: 403 });
  await expect(starting({ ...DECLARER, read: '^own-work$' })).rejects.toMatchObject({ amqpCode: 403 });
  await starting(DECLARER);

  const jobs = (await open(await userWith({ ...PUBLISHER, write: '^own-work$' }))).get(Jobs);
  const Assumed = defineExchange({ name: 'own-work', declare: 'assume' });
  await jobs.with({ eks: [[Assumed, 'job']], mandatory: true }).command('job', 'mine');
  expect(await heard.current.take(1)).toEqual(['mine']);
});

describe('a caller', () => {
  it('that may have private queues needs no right to write to the default exchange', async () => {
    await consume(await userWith(ANSWERER), 'assume');
    const jobs = (await open(await userWith(CALLER_WITH_QUEUES))).get(Jobs);
    for (let value = 0; value < 150; value += 1)
      expect((await jobs.rpc('double', value)).unwrap()).toBe(value * 2);
    const queue = await jobs.with({ queueOnly: true }).rpc<number>('double', 4);
    expect((await queue.take(1, 15_000)).map((result) => result.value)).toEqual([8]);
    queue.close();
  });

  it('that may have neither is told so at once', async () => {
    const jobs = (await open(await userWith(PUBLISHER))).get(Jobs);
    const error: unknown = await jobs.rpc('double', 1).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TopologyError);
    expect(error).toMatchObject({ amqpCode: 403, remedy: expect.stringContaining('amq.default') as string });
  });
});

describe('a right that is missing stops the start, and is named:', () => {
  it.for([
    ['to read the queue', { ...CONSUMER, read: NOTHING }, 'assume', 'read permission on queue "jobs"'],
    ['to declare the exchange', CONSUMER, 'assert', 'configure permission on exchange "work"'],
    [
      'to declare the queue',
      { ...CONSUMER, configure: '^work$' },
      'assert',
      'configure permission on queue "jobs"',
    ],
    ['to bind the queue', { ...CONSUMER, read: '.*' }, 'passive', 'write permission on queue "jobs"'],
    [
      'to bind to the exchange',
      { ...CONSUMER, write: '.*' },
      'passive',
      'read permission on exchange "work"',
    ],
  ] as const)('%s', async ([, rights, declare, part]) => {
    const user = await userWith(rights);
    const error: unknown = await consume(user, declare).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TopologyError);
    expect(error).toMatchObject({
      amqpCode: 403,
      remedy: expect.stringContaining('set_permissions') as string,
    });
    expect(String(error)).toContain(`user "${user.name}" lacks the ${part}`);
    expect(unhandled).toEqual([]);
  });
});

describe('a right that is missing', () => {
  it('to write to the exchange fails the publish, and names the exchange', async () => {
    const jobs = (await open(await userWith(CONSUMER))).get(Jobs);
    await expect(jobs.command('job', 1)).rejects.toMatchObject({
      code: 'ACCESS_REFUSED',
      exchange: 'work',
      message: expect.stringContaining('write permission') as string,
    });
  });

  it('to write to the default exchange is told to whoever can not answer, not only to the caller who waits', async () => {
    const events = await consume(await userWith(CONSUMER), 'assume');
    const jobs = (await open(await userWith(CALLER))).get(Jobs);
    const result = await jobs.with({ timeoutMs: 1_500, maxRetry: 0 }).rpc('double', 1);
    expect(result).toMatchObject({ ok: false, value: 'TimeoutError' });
    const [{ error } = { error: undefined }] = await events.of('reply.undeliverable').take(1);
    expect(error).toMatchObject({
      code: 'ACCESS_REFUSED',
      message: expect.stringContaining('amq.default') as string,
    });
  });

  it('since a moment ago keeps a consumer away, until it is given back', async () => {
    const user = await userWith(CONSUMER);
    const events = await consume(user, 'assume');
    const set = ({ configure, write, read }: Rights): Promise<void> =>
      managementOf(broker, 'PUT', `/permissions/${encodeURIComponent(vhost.name)}/${user.name}`, {
        configure,
        write,
        read,
      });
    await set({ ...CONSUMER, read: NOTHING });
    await closeConnectionsOf(broker, user.name);
    const [{ error } = { error: undefined }] = await events.of('connection.failed').take(1, 20_000);
    expect(error).toMatchObject({ code: 'TOPOLOGY_REFUSED', entity: 'queue "jobs"' });

    await set(CONSUMER);
    await events.of('consumer.attached').take(2, 20_000);
    const jobs = (await open(await userWith(PUBLISHER))).get(Jobs);
    await jobs.command('job', 'again');
    expect(await heard.current.take(1)).toEqual(['again']);
  });
});

describe('a component', () => {
  const Assumed = defineExchange({ ...GenericApplicationExchange, declare: 'assume' });

  it('with the rights to its own queues is reached by others that have none to have queues', async () => {
    const member = await startReceiver(
      {
        connection: { url: (await userWith(COMPONENT)).url },
        fingerprint: { name: 'monitor', pid: '4242', host: 'web-1' },
        application: { groups: ['eu'], presence: true },
      },
      [],
    );
    onTestFinished(() => member.close());
    const application = { exchange: Assumed };
    const operator = await open(await userWith(OPERATOR), { fingerprint: { name: 'operator' } });
    const applications = operator.get(ApplicationProducer).through(application.exchange);
    const observer = await open(await userWith(OBSERVER), { fingerprint: { name: 'observer' } });
    const fleet = observer.get(FleetDirectory);
    await fleet.start();

    const monitor = applications.at(Address.name('monitor'));
    expect((await monitor.rpcPing()).unwrap()).toMatchObject({ name: 'monitor', host: 'web-1' });
    expect((await applications.at(Address.unique('4242', 'web-1')).rpcJoinGroup('us')).unwrap()).toBe(true);
    expect(await allOf(monitor.gatherDescribe({ count: 1 }))).toHaveLength(1);
    await eventually(() => expect(fleet.present.map(({ id }) => id)).toEqual(['4242@web-1']));
    expect(member.get(ApplicationMember).groups).toEqual(['eu', 'us']);

    await applications.at(Address.roundRobin('monitor')).messageQuit();
    await eventually(() => expect(fleet.present).toEqual([]));
  });

  it('without the rights to its own queues does not start, and the error names the first of them', async () => {
    const start = startReceiver(
      {
        connection: { url: (await userWith(OPERATOR)).url },
        fingerprint: { name: 'monitor', pid: '4243', host: 'web-1' },
        application: { exchange: Assumed },
      },
      [],
    );
    await expect(start).rejects.toMatchObject({ code: 'TOPOLOGY_REFUSED', amqpCode: 403 });
  });
});
