import { describe, expect, it } from 'vitest';
import { PostageConnection } from '../connection/connection.js';
import type { ChannelPort, Driver, Link } from '../connection/port.js';
import type { PostageEvent } from '../observability/observer.js';
import { MemoryBroker } from '../testing/memory-broker.js';
import { topologyOf } from '../topology/binding.js';
import { defineExchange } from '../topology/exchange.js';
import { Subscription } from './subscription.js';

const Work = defineExchange({ name: 'work' });

/** The broker as it is, with one operation of its channels intercepted: what a network does at its worst moment. */
const interceptConsume = (
  broker: MemoryBroker,
  consume: (channel: ChannelPort, args: Parameters<ChannelPort['consume']>) => Promise<string>,
): Driver => {
  const wrapChannel = (channel: ChannelPort): ChannelPort =>
    new Proxy(channel, {
      get: (target, property) => {
        if (property === 'consume')
          return (...args: Parameters<ChannelPort['consume']>) => consume(target, args);
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

const subscribe = (driver: Driver, queues: readonly string[]) => {
  const changes: (() => void)[] = [];
  const told: string[] = [];
  const observer = ({ kind }: PostageEvent): void => {
    told.push(kind);
    changes.splice(0).forEach((tell) => tell());
  };
  const connection = new PostageConnection({ driver, name: 'x', reconnect: { initialDelayMs: 1 }, observer });
  const subscriptions = queues.map(
    (queue) =>
      new Subscription({
        queue,
        topology: topologyOf([[Work, [[queue, 'k']]]]),
        prefetch: 32,
        supervisor: connection.consuming,
        declarations: connection.consumingDeclarations,
        observer,
        handle: async () => 'ack',
      }),
  );
  /** Waits for the next thing that happens. */
  const change = (): Promise<void> => new Promise((resolve) => changes.push(resolve));
  return { connection, subscriptions, change, told };
};

const consumersOf = (broker: MemoryBroker, queue: string): number =>
  broker.snapshot().queues.find(({ name }) => name === queue)?.consumers.length ?? 0;

describe('Subscription', () => {
  it('is started no more when it is drained while it starts', async () => {
    const broker = new MemoryBroker();
    let asked = (): void => undefined;
    const reached = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const driver = interceptConsume(broker, (channel, args) => {
      asked();
      return channel.consume(...args);
    });
    const { connection, subscriptions } = subscribe(driver, ['q']);
    const started = subscriptions[0]?.start();
    await reached;
    await subscriptions[0]?.drain(1_000);
    await started;
    expect([subscriptions[0]?.attached, consumersOf(broker, 'q')]).toEqual([false, 0]);
    await connection.close();
  });

  it('is put back when the broker cancels it in the same breath as it accepts it', async () => {
    const broker = new MemoryBroker();
    let count = 0;
    let cancelFirst = (): void => undefined;
    const driver = interceptConsume(broker, async (channel, [queue, onDelivery, options]) => {
      count += 1;
      const tag = await channel.consume(queue, onDelivery, options);
      if (count === 1) cancelFirst = () => onDelivery(null);
      if (count === 2) onDelivery(null);
      return tag;
    });
    const { connection, subscriptions, change, told } = subscribe(driver, ['q']);
    await subscriptions[0]?.start();
    cancelFirst();
    const isBack = (): boolean => count >= 3 && subscriptions[0]?.attached === true;
    while (!isBack()) await change();
    expect(consumersOf(broker, 'q')).toBe(1);
    // The second consumer ended as it began: nobody is told that it was there.
    expect(told.filter((kind) => kind === 'consumer.attached')).toHaveLength(2);
    await connection.close();
  });

  it('is bound on the next connection when the present one goes away under a run-time binding', async () => {
    const broker = new MemoryBroker();
    const { connection, subscriptions } = subscribe(broker, ['q']);
    await subscriptions[0]?.start();
    const bound = subscriptions[0]?.topology.extend({ ...topologyOf([[Work, [['q', 'late']]]]), queues: [] });
    // The bind is on its way: its answer never comes.
    broker.disconnectAll();
    await bound;
    const keys = broker.snapshot().bindings.map(({ key }) => key);
    expect([keys.includes('late'), subscriptions[0]?.attached]).toEqual([true, true]);
    await connection.close();
  });

  it('is put in place with the connection when another one is lost while that is restored', async () => {
    const broker = new MemoryBroker();
    const cancel = new Map<string, () => void>();
    let late: Promise<void> | undefined;
    const driver = interceptConsume(broker, async (channel, [queue, onDelivery, options]) => {
      const again = cancel.has(queue);
      cancel.set(queue, () => onDelivery(null));
      if (queue === 'b' && !again) cancel.get('a')?.();
      if (queue === 'a' && again) late = subscriptions[2]?.start();
      return channel.consume(queue, onDelivery, options);
    });
    const { connection, subscriptions } = subscribe(driver, ['a', 'b', 'c']);
    await Promise.all(subscriptions.slice(0, 2).map((subscription) => subscription.start()));
    await late;
    expect(subscriptions.map(({ attached }) => attached)).toEqual([true, true, true]);
    expect(['a', 'b', 'c'].map((queue) => consumersOf(broker, queue))).toEqual([1, 1, 1]);
    await connection.close();
  });
});
