import {
  DEFAULT_EXCHANGE,
  GenericConsumer,
  MessageHandler,
  Processor,
  Retry,
  RpcHandler,
  type ProcessorOptions,
  type QueueFlags,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { management, uniqueName } from '../support/rabbit.js';
import { DiskFull, headersOf, QUICK, retryQueue, watch } from './retry-world.js';
import { byName, command, useWorld } from './world.js';

const world = useWorld();

const failingOn = (options: ProcessorOptions) => {
  const runs = new Inbox<number>();
  @Processor({ retry: QUICK, ...options })
  class Clumsy {
    @MessageHandler('command', 'store')
    store(): never {
      runs.push(performance.now());
      throw new DiskFull('no room');
    }
  }
  return { Clumsy, runs };
};

const queuesOf = async (queue: string) => {
  const all = await world.vhost.queues();
  return Object.fromEntries(
    all.filter(({ name }) => name.startsWith(queue)).map((each) => [each.name, each]),
  );
};

describe('the queues of a queue', () => {
  it.each<[what: string, flags: QueueFlags, wait: object, args: object]>([
    ['a durable queue', {}, { durable: true, exclusive: false, auto_delete: false }, {}],
    [
      'a quorum queue',
      { type: 'quorum' },
      { durable: true, auto_delete: false },
      {
        'x-queue-type': 'quorum',
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
      },
    ],
    [
      'an auto-delete queue',
      { autoDelete: true },
      { durable: true, exclusive: false, auto_delete: false },
      { 'x-expires': 120_020 },
    ],
    [
      'a queue that expires',
      { expiresMs: 60_000 },
      { durable: true, exclusive: false, auto_delete: false },
      { 'x-expires': 120_020 },
    ],
    ['an exclusive queue', { exclusive: true }, { durable: false, exclusive: true, auto_delete: false }, {}],
    ['a transient queue', { durable: false }, { durable: true, exclusive: false, auto_delete: false }, {}],
    ['a queue with priorities', { maxPriority: 3 }, { durable: true, auto_delete: false }, {}],
  ])('that is %s fit it, and messages go their whole way through them', async (_what, flags, wait, args) => {
    const { queue, exchange, eqk } = retryQueue(flags);
    const { Clumsy, runs } = failingOn({ eqk, deadLetter: `${queue}.end` });
    await world.receive([Clumsy]);
    const dead = await watch(world, `${queue}.end`);

    const queues = await queuesOf(queue);
    expect(Object.keys(queues).toSorted()).toEqual([
      queue,
      `${queue}.end`,
      `${queue}.retry.20`,
      `${queue}.retry.60`,
    ]);
    expect(queues[`${queue}.retry.20`]).toMatchObject({
      ...wait,
      arguments: {
        ...args,
        'x-message-ttl': 20,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': queue,
      },
    });
    world.peer.publish(exchange, 'key', command('store', 1));
    expect(headersOf((await dead.take(1))[0])).toMatchObject({ 'postage-retry-attempt': 3 });
    expect(runs.items).toHaveLength(3);
  });

  it('go with an exclusive queue', async () => {
    const { queue, eqk } = retryQueue({ exclusive: true });
    const { app } = await world.receive([failingOn({ eqk }).Clumsy]);
    expect(Object.keys(await queuesOf(queue)).toSorted()).toEqual([
      queue,
      `${queue}.retry.20`,
      `${queue}.retry.60`,
    ]);

    await app.close();

    expect(await queuesOf(queue)).toEqual({});
  });

  it('are none where nothing is retried and no dead letters are kept', async () => {
    const { queue, eqk } = retryQueue();
    @Processor({ eqk })
    class Plain {
      @MessageHandler('command', 'store')
      store(): void {}

      @Retry(false)
      @MessageHandler('command', 'other')
      other(): void {}

      @RpcHandler('command', 'ask')
      ask(): void {}
    }
    await world.receive([Plain]);

    expect(Object.keys(await queuesOf(queue))).toEqual([queue]);
  });

  it('do not change what Python Postage expects of the queue itself', async () => {
    const { queue, exchange, eqk } = retryQueue();
    await world.peer.channel.assertQueue(queue, { durable: false });
    const { Clumsy } = failingOn({ eqk });
    await world.receive([Clumsy], { options: { compatibility: 'python' } });
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1));

    await dead.take(1);
    const queues = await queuesOf(queue);
    expect(queues[queue]).toMatchObject({ durable: false, arguments: {} });
    expect(queues[`${queue}.dead`]).toMatchObject({ durable: true });
  });

  it('stay with those of a queue that is bound at run time', async () => {
    const { queue, exchange } = retryQueue();
    @Retry(QUICK)
    @MessageHandler('command', 'store')
    class Store {
      call(): never {
        throw new DiskFull();
      }
    }
    const { app } = await world.receive([Store], { options: { eqk: byName(uniqueName('own')) } });
    await app.get(GenericConsumer).queueBind(world.exchangeOf(exchange), queue, 'key');
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1));

    expect(headersOf((await dead.take(1))[0])).toMatchObject({ 'postage-retry-attempt': 3 });
  });
});

describe('a queue that is refused', () => {
  it('keeps the application from starting, and is named', async () => {
    const { queue, eqk } = retryQueue();
    await world.peer.channel.assertQueue(`${queue}.retry.20`, { durable: true });
    const { Clumsy } = failingOn({ eqk });

    await expect(world.receive([Clumsy])).rejects.toMatchObject({
      code: 'TOPOLOGY_REFUSED',
      entity: `queue "${queue}.retry.20"`,
      argument: 'x-message-ttl',
    });
  });

  it('that is a dead-letter queue with other arguments does, too', async () => {
    const { queue, eqk } = retryQueue();
    await world.peer.channel.assertQueue(`${queue}.dead`, {
      durable: true,
      arguments: { 'x-max-length': 5 },
    });
    const { Clumsy } = failingOn({ eqk });

    await expect(world.receive([Clumsy])).rejects.toMatchObject({
      code: 'TOPOLOGY_REFUSED',
      entity: `queue "${queue}.dead"`,
    });
  });

  it('is missing where it is only looked for', async () => {
    const queue = uniqueName('retry');
    await world.peer.channel.assertQueue(queue);
    const eqk = [[DEFAULT_EXCHANGE, [[{ name: queue, declare: 'passive' as const }, queue]]]] as const;

    await expect(world.receive([failingOn({ eqk }).Clumsy])).rejects.toMatchObject({
      code: 'TOPOLOGY_REFUSED',
      entity: `queue "${queue}.retry.20"`,
      amqpCode: 404,
    });
  });
});

describe('a user who may not configure', () => {
  const userFor = async (queue: string): Promise<string> => {
    const name = uniqueName('user');
    await management('PUT', `/users/${name}`, { password: 'secret', tags: '' });
    world.atEnd(() => management('DELETE', `/users/${name}`));
    const vhost = encodeURIComponent(world.vhost.name);
    await management('PUT', `/permissions/${vhost}/${name}`, {
      configure: '^$',
      write: '^amq\\.default$',
      read: `^${queue}$`,
    });
    const url = new URL(world.url);
    url.username = name;
    url.password = 'secret';
    return url.href;
  };

  const assumed = (queue: string) =>
    [[DEFAULT_EXCHANGE, [[{ name: queue, declare: 'assume' as const }, queue]]]] as const;

  it('retries by queues that others have made', async () => {
    const { queue, eqk } = retryQueue();
    // Whoever may declares everything, once.
    const { app } = await world.receive([failingOn({ eqk }).Clumsy]);
    await app.close();
    const { Clumsy, runs } = failingOn({ eqk: assumed(queue) });
    await world.receive([Clumsy], { options: { connection: { url: await userFor(queue) } } });
    const dead = await watch(world, `${queue}.dead`);

    world.send(queue, command('store', 1));

    expect(headersOf((await dead.take(1))[0])).toMatchObject({ 'postage-retry-attempt': 3 });
    expect(runs.items).toHaveLength(3);
  });

  it('is told which queue is missing, keeps the message, and goes on once it is there', async () => {
    const queue = uniqueName('retry');
    await world.peer.channel.assertQueue(queue);
    const { Clumsy, runs } = failingOn({ eqk: assumed(queue), retry: { ...QUICK, attempts: 2 } });
    const url = await userFor(queue);
    const { events } = await world.receive([Clumsy], { options: { connection: { url } } });

    world.send(queue, command('store', 1));

    const failures = await events.of('copy.failed').take(2);
    const failure = {
      purpose: 'retry',
      queue: `${queue}.retry.20`,
      at: { queue },
      error: { code: 'UNROUTABLE' },
    };
    expect(failures).toMatchObject([failure, failure]);
    // Not in a hot loop.
    const [first = 0, second = 0] = runs.items;
    expect(second - first).toBeGreaterThanOrEqual(990);
    await world.peer.channel.assertQueue(`${queue}.dead`);
    const dead = await watch(world, `${queue}.dead`);
    await world.peer.channel.assertQueue(`${queue}.retry.20`, {
      arguments: { 'x-message-ttl': 20, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue },
    });
    expect(headersOf((await dead.take(1))[0])).toMatchObject({ 'postage-retry-attempt': 2 });
  });
});
