import { describe, expect, it, vi } from 'vitest';
import type { Delivery } from '../../libs/postage/src/connection/port.js';
import { ConnectionError } from '../../libs/postage/src/errors.js';
import { MemoryBroker } from '../../libs/postage/src/testing/memory-broker.js';
import { anExchange, aQueue } from './bench.js';
import { channelOf, link, settle } from './memory-support.js';
import { endOf, publish } from './messages.js';

describe('disconnectAll', () => {
  it('cuts every link with the error given, and lets new ones in', async () => {
    const broker = new MemoryBroker();
    const links = [await link(broker), await link(broker)];
    const ends = links.map(endOf);
    const cause = new Error('a cable was pulled');
    broker.disconnectAll(cause);
    expect(broker.snapshot().links).toEqual([]);
    for (const error of await Promise.all(ends)) {
      expect(error).toBeInstanceOf(ConnectionError);
      expect(error).toMatchObject({ code: 'CONNECTION_LOST', cause });
      expect(error?.message).toContain('a cable was pulled');
    }
    expect(await publish(await channelOf(broker), { routingKey: 'nowhere' })).toBeUndefined();
  });

  it('drops what was on its way, fails its publishes and leaves no operation pending', async () => {
    const broker = new MemoryBroker();
    const channel = await channelOf(broker);
    const asked = channel.assertQueue(aQueue({ name: 'q' }));
    const published = publish(channel, { routingKey: 'q' });
    broker.disconnectAll();
    await expect(asked).rejects.toMatchObject({ name: 'BrokerError', amqpCode: undefined });
    expect(await published).toMatchObject({ kind: 'channel-lost' });
    expect(broker.snapshot().queues).toEqual([]);
  });
});

describe('a channel that is closed by us while its link is cut', () => {
  it('counts as closed by us', async () => {
    const broker = new MemoryBroker();
    const channel = await channelOf(broker);
    const end = endOf(channel);
    const closed = channel.close();
    broker.disconnectAll();
    expect(await end).toBeUndefined();
    await closed;
  });
});

describe('refuseConnections', () => {
  it('refuses new links until it is taken back, and leaves open ones alone', async () => {
    const broker = new MemoryBroker();
    const open = await channelOf(broker);
    const cause = new Error('connect ECONNREFUSED');
    broker.refuseConnections(cause);
    await expect(link(broker)).rejects.toMatchObject({
      name: 'ConnectionError',
      code: 'CONNECTION_FAILED',
      cause,
    });
    expect(await publish(open, { routingKey: 'nowhere' })).toBeUndefined();
    broker.refuseConnections(undefined);
    await expect(link(broker)).resolves.toBeDefined();
  });

  it('refuses with the very error when that is a ConnectionError', async () => {
    const broker = new MemoryBroker();
    const refusal = new ConnectionError('ACCESS_REFUSED', 'wrong password');
    broker.refuseConnections(refusal);
    await expect(link(broker)).rejects.toBe(refusal);
  });
});

describe('restart', () => {
  it('keeps durable entities and persistent messages, and nothing else', async () => {
    const broker = new MemoryBroker();
    const channel = await channelOf(broker);
    await channel.assertQueue(aQueue({ name: 'durable' }));
    await channel.assertQueue(aQueue({ name: 'transient', durable: false }));
    await channel.assertQueue(aQueue({ name: 'private', exclusive: true }));
    for (const durable of [true, false]) {
      const exchange = durable ? 'kept' : 'lost';
      await channel.assertExchange(anExchange('fanout', { name: exchange, durable }));
      for (const queue of ['durable', 'transient'])
        await channel.bindQueue({ exchange, queue, key: '', arguments: {} });
    }
    await publish(channel, { routingKey: 'durable', properties: { deliveryMode: 2 } });
    await publish(channel, { routingKey: 'durable', properties: { deliveryMode: 1 } });
    const end = endOf(channel);
    broker.restart();
    expect(await end).toBeDefined();
    const { exchanges, queues, bindings } = broker.snapshot();
    expect(exchanges.map(({ name }) => name)).toEqual(['kept']);
    expect(queues.map(({ name, ready }) => [name, ready.length])).toEqual([['durable', 1]]);
    expect(bindings).toEqual([{ exchange: 'kept', queue: 'durable', key: '', arguments: {} }]);
  });

  it('gives an unacked persistent message to the next consumer, marked as redelivered', async () => {
    const broker = new MemoryBroker();
    const channel = await channelOf(broker);
    await channel.assertQueue(aQueue({ name: 'q' }));
    await publish(channel, { routingKey: 'q', properties: { deliveryMode: 2 } });
    await new Promise((resolve) => void channel.consume('q', resolve));
    broker.restart();
    const next = await channelOf(broker);
    const delivery = await new Promise<Delivery | null>((resolve) => void next.consume('q', resolve));
    expect(delivery).toMatchObject({ redelivered: true, deliveryTag: 1 });
  });
});

describe('snapshot', () => {
  it('shows entities, messages, consumers and links as plain data that does not change', async () => {
    const broker = new MemoryBroker();
    const channel = await channelOf(broker);
    await channel.assertQueue(aQueue({ name: 'q', arguments: { 'x-max-length': 9 } }));
    await channel.assertExchange(anExchange('fanout', { name: 'x' }));
    await channel.bindQueue({ exchange: 'x', queue: 'q', key: 'k', arguments: {} });
    await channel.prefetch(1);
    const consumerTag = await channel.consume('q', () => undefined);
    await publish(channel, { routingKey: 'q', properties: { deliveryMode: 2 } });
    await publish(channel, { routingKey: 'q', properties: { deliveryMode: 2 } });
    const snapshot = broker.snapshot();
    expect(snapshot).toEqual({
      exchanges: [
        { name: 'x', type: 'fanout', durable: true, autoDelete: false, internal: false, arguments: {} },
      ],
      queues: [
        {
          name: 'q',
          durable: true,
          exclusive: false,
          autoDelete: false,
          arguments: { 'x-max-length': 9 },
          ready: [
            {
              exchange: '',
              routingKey: 'q',
              content: Buffer.from('text'),
              properties: { headers: {}, deliveryMode: 2 },
              redelivered: false,
            },
          ],
          unacked: 1,
          consumers: [{ consumerTag, noAck: false, exclusive: false, prefetch: 1, unacked: 1 }],
        },
      ],
      bindings: [{ exchange: 'x', queue: 'q', key: 'k', arguments: {} }],
      links: [{ connectionName: 'test', address: 'memory:///', channels: 1, blocked: false }],
    });
    await channel.deleteQueue('q');
    expect(snapshot.queues).toHaveLength(1);
    expect(broker.snapshot().queues).toHaveLength(0);
  });
});

describe('several applications on one broker', () => {
  it('see each other, and not those on another broker', async () => {
    const [shared, other] = [new MemoryBroker(), new MemoryBroker()];
    const [one, two] = [await channelOf(shared), await channelOf(shared)];
    await one.assertQueue(aQueue({ name: 'q' }));
    expect(await two.checkQueue('q')).toMatchObject({ queue: 'q' });
    await expect((await channelOf(other)).checkQueue('q')).rejects.toMatchObject({ amqpCode: 404 });
  });
});
describe('an error of a listener', () => {
  it('is reported and stops nobody else', async () => {
    const reported: unknown[] = [];
    const broker = new MemoryBroker({ onListenerError: (error) => reported.push(error) });
    const open = await link(broker);
    const channel = await open.openChannel();
    const thrown = new Error('thrown by a listener on purpose');
    const fail = (): never => {
      throw thrown;
    };
    const message = {
      exchange: '',
      routingKey: 'q',
      content: Buffer.from(''),
      properties: {},
      mandatory: true,
    };
    channel.onReturn(fail);
    channel.onClosed(fail);
    open.onClosed(fail);
    channel.publish(message, fail);
    expect(await publish(channel, { routingKey: 'q' })).toBeUndefined();
    await open.close();
    expect(reported).toEqual([thrown, thrown, thrown, thrown]);
  });

  it('becomes a warning of the process unless somebody asks for it', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const channel = await channelOf(new MemoryBroker());
    const thrown = new Error('thrown by a listener on purpose');
    const message = {
      exchange: '',
      routingKey: 'q',
      content: Buffer.from(''),
      properties: {},
      mandatory: false,
    };
    channel.publish(message, () => {
      throw thrown;
    });
    await settle();
    expect(warned).toHaveBeenCalledWith(thrown);
    warned.mockRestore();
  });
});
