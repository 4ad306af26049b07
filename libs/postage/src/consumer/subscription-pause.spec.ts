import { afterEach, describe, expect, it } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import { deferred } from '../connection/deferred.js';
import type { ChannelPort, ConsumeOptions, Driver, Link } from '../connection/port.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { topologyOf } from '../topology/binding.js';
import { DEFAULT_EXCHANGE } from '../topology/exchange.js';
import { Leftovers } from './leftovers.js';
import { Subscription } from './subscription.js';
import type { SubscriptionOptions } from './subscription-options.js';

const QUEUE = 'q';

/** The broker as it is; what is given here comes before two operations of its channels. */
interface Before {
  cancel?: () => Promise<void>;
  readonly consume?: (options: ConsumeOptions) => void;
}

const intercept = (broker: MemoryBroker, before: Before): Driver => {
  const wrapChannel = (channel: ChannelPort): ChannelPort =>
    new Proxy(channel, {
      get: (target, property) => {
        if (property === 'cancel') {
          return async (tag: string) => {
            await before.cancel?.();
            await target.cancel(tag);
          };
        }
        if (property === 'consume') {
          return (...args: Parameters<ChannelPort['consume']>) => {
            before.consume?.(args[2] ?? {});
            return target.consume(...args);
          };
        }
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  const wrapLink = (link: Link): Link => ({
    address: link.address,
    openChannel: async () => wrapChannel(await link.openChannel()),
    onClosed: (listener) => link.onClosed(listener),
    onBlocked: (listener) => link.onBlocked(listener),
    close: () => link.close(),
  });
  return { connect: async (request) => wrapLink(await broker.connect(request)) };
};

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Run {
  readonly text: string;
  readonly redelivered: boolean;
  readonly end: () => void;
}

/** A subscription whose handlers end when the test says so, and whoever sends to its queue. */
const subscribe = async (before: Before = {}, options: Partial<SubscriptionOptions> = {}) => {
  const broker = new MemoryBroker();
  const connection = new PostageConnection({
    driver: intercept(broker, before),
    name: 'x',
    reconnect: { initialDelayMs: 1 },
  });
  const runs: Run[] = [];
  let changed = (): void => undefined;
  const subscription = new Subscription({
    queue: QUEUE,
    topology: topologyOf([[DEFAULT_EXCHANGE, [[QUEUE, QUEUE]]]]),
    prefetch: 32,
    supervisor: connection.consuming,
    declarations: connection.consumingDeclarations,
    observer: () => changed(),
    handle: async ({ content, redelivered }) => {
      const { promise, resolve: end } = deferred<void>();
      runs.push({ text: content.toString(), redelivered, end });
      changed();
      await promise;
      return 'ack';
    },
    ...options,
  });
  const link = await broker.connect({ connectionName: 'peer' });
  const channel = await link.openChannel();
  await channel.assertQueue({
    name: QUEUE,
    durable: true,
    exclusive: false,
    autoDelete: false,
    arguments: {},
    declare: 'assert',
  });
  closers.push(async () => {
    for (const { end } of runs) end();
    await subscription.drain(1_000);
    await connection.close();
    await link.close();
  });
  /** Resolves when the broker has them. */
  const send = (...texts: readonly string[]): Promise<unknown> =>
    Promise.all(
      texts.map(
        (text) =>
          new Promise((resolve) => {
            const message = { exchange: '', routingKey: QUEUE, properties: {}, mandatory: false };
            channel.publish({ ...message, content: Buffer.from(text) }, resolve);
          }),
      ),
    );
  const until = async (check: () => boolean): Promise<void> => {
    while (!check()) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  const waiting = async (): Promise<number> => (await channel.checkQueue(QUEUE)).messageCount;
  return {
    broker,
    connection,
    subscription,
    runs,
    send,
    until,
    waiting,
    texts: () => runs.map(({ text }) => text),
  };
};

describe('a paused Subscription', () => {
  it('returns what comes before the broker has answered, and starts none of it', async () => {
    const before: Before = {};
    const { subscription, send, waiting, texts, until, runs } = await subscribe(before);
    await subscription.start();
    before.cancel = async () => {
      await send('late 1', 'late 2');
      // Delivered, by now.
      expect(await waiting()).toBe(0);
    };
    await subscription.pause();
    delete before.cancel;

    expect([await waiting(), texts()]).toEqual([2, []]);
    await subscription.resume();
    await until(() => runs.length === 2);
    expect(texts()).toEqual(['late 1', 'late 2']);
  });

  it('that is resumed before the broker has answered consumes again, in order', async () => {
    const before: Before = {};
    const { subscription, send, texts, until, runs } = await subscribe(before);
    await subscription.start();
    let resumed: Promise<void> | undefined;
    before.cancel = async () => {
      delete before.cancel;
      await send('1');
      resumed = subscription.resume();
      await send('2');
    };
    await subscription.pause();
    await resumed;
    expect(subscription.attached).toBe(true);
    await send('3');
    await until(() => runs.length === 3);
    expect(texts()).toEqual(['1', '2', '3']);
  });

  it('starts nothing of a connection that is lost, though it had come before', async () => {
    const { broker, subscription, send, runs, until, waiting } = await subscribe({}, { prefetch: 1 });
    await subscription.start();
    await send('1', '2');
    await until(() => runs.length === 1);
    await subscription.pause();
    await subscription.resume();
    // It is here, and may not start as long as the first one runs.
    expect([await waiting(), runs.length]).toEqual([0, 1]);
    broker.disconnectAll();
    await until(() => !subscription.attached);
    runs[0]?.end();
    await until(() => subscription.attached);
    // First the one that could not be acked.
    await until(() => runs.length === 2);
    runs[1]?.end();
    await until(() => runs.length === 3);
    expect(runs.map(({ text, redelivered }) => [text, redelivered])).toEqual([
      ['1', false],
      ['1', true],
      ['2', true],
    ]);
  });

  it.each(['paused again', 'stopped'])(
    'whose connection is away is resumed when there is one, or not at all where it is %s meanwhile',
    async (meanwhile) => {
      const { broker, connection, subscription } = await subscribe();
      await subscription.start();
      await subscription.pause();
      broker.refuseConnections(new Error('not now'));
      broker.disconnectAll();
      while (connection.consuming.lastError === undefined) await new Promise(setImmediate);
      let isResumed = false;
      const resumed = subscription.resume().then(() => (isResumed = true));
      await new Promise(setImmediate);
      expect(isResumed).toBe(false);
      await (meanwhile === 'stopped' ? subscription.stop(1_000) : subscription.pause());
      await resumed;
      expect(subscription.attached).toBe(false);
    },
  );

  it('of a private queue comes before its earlier consumers each time it is resumed', async () => {
    const priorities: unknown[] = [];
    const consume = ({ arguments: table }: ConsumeOptions): void =>
      void priorities.push(table?.['x-priority']);
    const { subscription } = await subscribe({ consume }, { isPrivate: true });
    await subscription.start();
    await subscription.pause();
    await subscription.resume();
    await subscription.pause();
    await subscription.resume();
    expect(priorities).toEqual([undefined, 1, 2]);
  });

  it('from the start on takes for leftovers what waited then, and nothing that comes later', async () => {
    const leftovers = new Leftovers();
    leftovers.watch(QUEUE);
    const found: boolean[] = [];
    const { subscription, send } = await subscribe(
      {},
      {
        leftovers: leftovers.of(QUEUE),
        isPaused: true,
        handle: async (delivery) => {
          found.push(leftovers.has(delivery));
          return 'ack';
        },
      },
    );
    await send('old', 'older');
    await subscription.start();
    await send('new');
    await subscription.resume();
    await send('newer');
    while (found.length < 4) await new Promise(setImmediate);
    expect(found).toEqual([true, true, false, false]);
  });
});
