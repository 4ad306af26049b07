import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  defineExchange,
  GenericConsumer,
  GenericProducer,
  MessageHandler,
  Parameters,
  PostageConnection,
  PostageModule,
  Processor,
  Producer,
  RpcHandler,
  type MessageMethod,
  type PostageEvent,
  type PostageModuleOptions,
  type ProducerOf,
  type RpcMethod,
} from 'nestjs-postage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { createVhost, management, uniqueName, type ConnectionInfo, type Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const Exchange = defineExchange({ name: 'work' });
const inbox = { current: new Inbox<unknown>() };

@Processor({
  eqk: [
    [
      Exchange,
      [
        ['jobs', 'job'],
        [{ name: 'private', flags: { exclusive: true } }, 'job-for-all'],
      ],
    ],
  ],
})
class Worker {
  @MessageHandler('command', 'job')
  onJob(@Parameters() parameters: unknown): void {
    inbox.current.push(parameters);
  }

  @RpcHandler('command', 'double')
  double(@Parameters() value: number): number {
    return value * 2;
  }
}

@Producer({ eks: [[Exchange, 'job']] })
class Jobs extends GenericProducer {
  declare messageJob: MessageMethod<unknown>;
  declare rpcDouble: RpcMethod<number, number>;
}

let vhost: Vhost;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  vhost = await createVhost('connection');
  inbox.current = new Inbox();
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await vhost.delete();
});

const fast = { initialDelayMs: 20, maxDelayMs: 100 };

const startWorker = async (options: PostageModuleOptions = {}) => {
  const events = new Inbox<PostageEvent>();
  const app = await startReceiver(
    { connection: { url: vhost.url }, reconnect: fast, observer: events.push, ...options },
    [Worker],
  );
  closers.push(() => app.close());
  return { app, events };
};

const startSender = async (
  options: PostageModuleOptions = {},
): Promise<{ app: INestApplicationContext; jobs: ProducerOf<Jobs> }> => {
  const root = PostageModule.forRoot({ connection: { url: vhost.url }, reconnect: fast, ...options });
  @Module({ imports: [PostageModule.forFeature([Jobs]), root] })
  class SenderModule {}
  const app = await NestFactory.createApplicationContext(SenderModule, { logger: false });
  closers.push(() => app.close());
  return { app, jobs: app.get<ProducerOf<Jobs>>(Jobs) };
};

const connections = (): Promise<ConnectionInfo[]> =>
  management('GET', `/vhosts/${encodeURIComponent(vhost.name)}/connections`);

describe('connections', () => {
  it('are opened when they are first needed: one for publishing, one for consuming, named after the fingerprint', async () => {
    const { jobs } = await startSender({ fingerprint: { name: 'jobber', pid: '7', host: 'h1' } });
    expect(await connections()).toEqual([]);

    await jobs.messageJob(1);
    await eventually(async () => {
      const names = (await connections()).map(
        ({ client_properties: properties }) => properties['connection_name'],
      );
      expect(names).toEqual(['jobber 7@h1 (publish)']);
    });

    await startWorker();
    await jobs.rpcDouble(1);
    const replies = await jobs.with({ queueOnly: true }).rpcDouble(1);
    await replies.take(1, 10_000);
    replies.close();
    await eventually(async () => {
      const names = (await connections()).map(({ client_properties: properties }) =>
        String(properties['connection_name']),
      );
      expect(names.filter((name) => name.startsWith('jobber')).toSorted()).toEqual([
        'jobber 7@h1 (consume)',
        'jobber 7@h1 (publish)',
      ]);
    });
  });

  it('come back by themselves after a cut, with topology, consumers and run-time bindings, however often that happens', async () => {
    await using proxy = await TcpProxy.to(vhost.url);
    const connection = { url: proxy.url };
    const { app, events } = await startWorker({ connection });
    const { app: sender, jobs } = await startSender({ connection });
    await app.get(GenericConsumer).queueBind(Exchange, 'jobs', 'late-job');
    await app.get(GenericConsumer).queueBind(Exchange, 'late', 'late-queue', { autoDelete: true });

    for (let round = 1; round <= 5; round += 1) {
      const readyBefore = countReady(events);
      proxy.cut();
      await eventually(() => expect(countReady(events)).toBeGreaterThan(readyBefore));
      await jobs.messageJob(`direct ${round}`);
      await jobs.with({ key: 'job-for-all', mandatory: true }).messageJob(`private ${round}`);
      await jobs.with({ key: 'late-job', mandatory: true }).messageJob(`late binding ${round}`);
      await jobs.with({ key: 'late-queue', mandatory: true }).messageJob(`late queue ${round}`);
      expect((await jobs.rpcDouble(round)).unwrap()).toBe(round * 2);
      const received = await inbox.current.take(round * 4);
      expect(new Set(received.slice(-4))).toEqual(
        new Set([`direct ${round}`, `late binding ${round}`, `late queue ${round}`, `private ${round}`]),
      );
    }

    await eventually(async () => {
      const path = `/consumers/${encodeURIComponent(vhost.name)}`;
      const consumers = await management<{ queue: { name: string } }[]>('GET', path);
      const names = consumers.map(({ queue }) => queue.name).filter((name) => !name.startsWith('amq.'));
      expect(names.toSorted()).toEqual(['jobs', 'late', 'private']);
    });
    await sender.close();
    await app.close();
    await eventually(() => expect(proxy.open).toBe(0));
  });

  it('put a consumer back whose queue was deleted', async () => {
    const { events } = await startWorker();
    const { jobs } = await startSender();
    const attached = (): number =>
      events.items.filter((event) => event.kind === 'consumer.attached' && event.queue === 'jobs').length;
    const before = attached();

    await using peer = await RawPeer.connect(vhost.url);
    await peer.channel.deleteQueue('jobs');
    await eventually(() => expect(attached()).toBe(before + 1));

    await jobs.with({ mandatory: true }).messageJob('after');
    expect(await inbox.current.take(1)).toEqual(['after']);
    expect(events.items.some((event) => event.kind === 'consumer.lost' && event.queue === 'jobs')).toBe(true);
  });

  it('try all given addresses until one answers', async () => {
    await startWorker();
    const { jobs } = await startSender({
      connection: { urls: ['amqp://127.0.0.1:1', vhost.url, 'amqp://no-such-host.invalid'] },
    });
    expect((await jobs.rpcDouble(4)).unwrap()).toBe(8);
  });

  it('ask a provider for credentials at every connect', async () => {
    let asked = 0;
    const { jobs } = await startSender({
      connection: async () => {
        asked += 1;
        return { url: vhost.url };
      },
    });
    await jobs.messageJob(1);
    await eventually(async () => expect((await connections()).length).toBe(1));
    await vhost.closeConnections();
    await jobs.messageJob(2);
    await eventually(() => expect(asked).toBe(2));
  });

  it('tell their state, and every change of it', async () => {
    const { app, jobs } = await startSender();
    const connection = app.get(PostageConnection);
    const seen: string[] = [];
    const stop = connection.onChange(({ publishing }) => seen.push(publishing.kind));

    expect(connection.snapshot.publishing).toEqual({ kind: 'idle' });
    await jobs.messageJob(1);
    expect(connection.snapshot.publishing).toMatchObject({
      kind: 'ready',
      address: expect.stringContaining('amqp://127.0.0.1') as string,
    });
    await eventually(async () => expect((await connections()).length).toBe(1));
    await vhost.closeConnections();
    await eventually(() => expect(seen.filter((kind) => kind === 'ready')).toHaveLength(2));
    stop();
    await app.close();

    expect(connection.snapshot).toMatchObject({
      publishing: { kind: 'closed' },
      consuming: { kind: 'closed' },
    });
    expect(seen[0]).toBe('connecting');
  });

  it('close once, however often they are told to, and refuse what comes after', async () => {
    const { app, jobs } = await startSender();
    await jobs.messageJob(1);
    const connection = app.get(PostageConnection);
    await Promise.all([connection.close(), connection.close(), app.close()]);
    await expect(jobs.messageJob(2)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
    await expect(jobs.rpcDouble(2)).rejects.toMatchObject({ code: 'CONNECTION_CLOSED' });
  });
});

const countReady = (events: Inbox<PostageEvent>): number =>
  events.items.filter((event) => event.kind === 'connection.ready' && event.role === 'consume').length;

describe('credentials and virtual hosts', () => {
  it('may hold / @ % : # and blanks, in options and percent-encoded in a URL', async () => {
    const strange = 'a/b@c%d:e#f g?';
    const name = uniqueName(strange);
    const path = encodeURIComponent(name);
    await management('PUT', `/vhosts/${path}`);
    await management('PUT', `/users/${path}`, { password: strange, tags: '' });
    await management('PUT', `/permissions/${path}/${path}`, { configure: '.*', write: '.*', read: '.*' });
    const { hostname: host, port } = new URL(vhost.url);

    const byOptions = await startSender({
      connection: { host, port: Number(port), user: name, password: strange, vhost: name },
    });
    await byOptions.jobs.messageJob(1);
    const encoded = `amqp://${path}:${encodeURIComponent(strange)}@${host}:${port}/${path}`;
    const byUrl = await startSender({ connection: { url: encoded } });
    await byUrl.jobs.messageJob(1);

    expect(byUrl.app.get(PostageConnection).snapshot.publishing.kind).toBe('ready');
    await management('DELETE', `/vhosts/${path}`);
    await management('DELETE', `/users/${path}`);
  });

  it('that are refused stop the start of a server at once, told apart from each other', async () => {
    const url = new URL(vhost.url);
    url.password = 'wrong-secret';
    await expect(startWorker({ connection: { url: url.href } })).rejects.toMatchObject({
      code: 'ACCESS_REFUSED',
    });
    await expect(
      startWorker({ connection: { url: vhost.url, vhost: 'no-such-vhost' } }),
    ).rejects.toMatchObject({ code: 'VHOST_REFUSED' });
  });
});

describe('topology', () => {
  it('that contradicts the broker stops the start, naming queue, argument and both values', async () => {
    await using peer = await RawPeer.connect(vhost.url);
    await peer.channel.assertQueue('jobs', { durable: false });
    await expect(startWorker()).rejects.toMatchObject({
      code: 'TOPOLOGY_REFUSED',
      entity: 'queue "jobs"',
      argument: 'durable',
      wanted: 'true',
      actual: 'false',
      remedy: expect.stringContaining("compatibility: 'python'") as string,
    });
  });

  it('of a type that the broker does not know stops the start, though that ends the whole connection', async () => {
    const Strange = defineExchange({ name: 'strange', type: 'x-no-such-type' });
    @Processor({ eqk: [[Strange, [['strange-jobs', 'job']]]] })
    class StrangeWorker extends Worker {}
    const start = startReceiver({ connection: { url: vhost.url }, reconnect: fast }, [StrangeWorker]);
    await expect(start).rejects.toMatchObject({ code: 'TOPOLOGY_REFUSED', entity: 'exchange "strange"' });
  });

  it('is declared as Python Postage does under compatibility "python"', async () => {
    await using peer = await RawPeer.connect(vhost.url);
    await peer.channel.assertQueue('jobs', { durable: false });
    await startWorker({ compatibility: 'python' });
    const { jobs } = await startSender({ compatibility: 'python' });
    await jobs.with({ mandatory: true }).messageJob('x');
    expect(await inbox.current.take(1)).toEqual(['x']);
  });

  it('may be checked or assumed instead of declared, for users without the right to configure', async () => {
    const user = uniqueName('least');
    await management('PUT', `/users/${user}`, { password: 'pw', tags: '' });
    await management('PUT', `/permissions/${encodeURIComponent(vhost.name)}/${user}`, {
      configure: '^amq\\.gen.*',
      write: '.*',
      read: '.*',
    });
    await using peer = await RawPeer.connect(vhost.url);
    await peer.channel.assertExchange('given', 'direct');
    await peer.channel.assertQueue('given-jobs');
    await peer.channel.bindQueue('given-jobs', 'given', 'job');
    const connection = { url: vhost.url, user, password: 'pw' };
    const Given = defineExchange({ name: 'given', declare: 'assume' });

    @Processor({ eqk: [[Given, [[{ name: 'given-jobs', declare: 'passive' }, 'job']]]] })
    class GivenWorker extends Worker {}
    const app = await startReceiver({ connection }, [GivenWorker]);
    closers.push(() => app.close());
    const { jobs } = await startSender({ connection });
    await jobs.with({ eks: [[Given, 'job']] }).messageJob('given');

    expect(await inbox.current.take(1)).toEqual(['given']);
    await expect(startWorker({ connection })).rejects.toMatchObject({
      code: 'TOPOLOGY_REFUSED',
      amqpCode: 403,
      remedy: expect.stringContaining('configure') as string,
    });
    await management('DELETE', `/users/${user}`);
  });

  it('may be closed to a user, whose messages and calls then fail at once and say so', async () => {
    const user = uniqueName('reader');
    await management('PUT', `/users/${user}`, { password: 'pw', tags: '' });
    const rights = { configure: '.*', write: '^$', read: '.*' };
    await management('PUT', `/permissions/${encodeURIComponent(vhost.name)}/${user}`, rights);
    const { jobs } = await startSender({ connection: { url: vhost.url, user, password: 'pw' } });
    const refused = { code: 'ACCESS_REFUSED', exchange: Exchange.name };

    await expect(jobs.messageJob('x')).rejects.toMatchObject(refused);
    await expect(jobs.with({ timeoutMs: 100_000 }).rpc('job')).rejects.toMatchObject(refused);
    await management('DELETE', `/users/${user}`);
  });
});
