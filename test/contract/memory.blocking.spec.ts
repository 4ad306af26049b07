import { describe, expect, it, vi } from 'vitest';
import type { Delivery, PublishFailure } from '../../libs/postage/src/connection/port.js';
import { MemoryBroker } from '../../libs/postage/src/testing/memory-broker.js';
import { aQueue } from './bench.js';
import { channelOf, link, settle, summary } from './memory-support.js';
import { outgoing, publish } from './messages.js';

describe('block', () => {
  it('tells a link at its first publish and withholds its confirms until unblock', async () => {
    const broker = new MemoryBroker();
    const [busy, idle] = [await link(broker, 'busy'), await link(broker, 'idle')];
    const heard: (string | undefined)[] = [];
    busy.onBlocked((reason) => heard.push(reason));
    idle.onBlocked((reason) => heard.push(`idle ${reason}`));
    const channel = await busy.openChannel();
    broker.block('low on memory');
    await settle();
    expect(heard).toEqual([]);
    const confirmed = vi.fn<() => void>();
    const published = publish(channel, { routingKey: 'nowhere' }).then(confirmed);
    await settle();
    expect(heard).toEqual(['low on memory']);
    expect(confirmed).not.toHaveBeenCalled();
    expect(broker.snapshot().links).toMatchObject([
      { connectionName: 'busy', blocked: true },
      { connectionName: 'idle', blocked: false },
    ]);
    broker.unblock();
    await published;
    expect(heard).toEqual(['low on memory', undefined]);
  });

  it('spares a link that does not publish: its acks get through', async () => {
    const broker = new MemoryBroker();
    const [publisher, consumer] = [await channelOf(broker), await channelOf(broker)];
    await consumer.assertQueue(aQueue({ name: 'q' }));
    await publish(publisher, { routingKey: 'q' });
    const delivered = new Promise<Delivery | null>((resolve) => void consumer.consume('q', resolve));
    const delivery = await delivered;
    broker.block('low on disk');
    void publish(publisher, { routingKey: 'q' });
    consumer.ack(delivery?.deliveryTag ?? 0, false);
    await settle();
    expect(summary(broker)).toEqual({ q: '0 ready, 0 unacked' });
  });

  it('makes publish ask for a pause, and drain ends it', async () => {
    const broker = new MemoryBroker();
    const channel = await channelOf(broker);
    const drained = vi.fn<() => void>();
    channel.onDrain(drained);
    broker.block('low on memory');
    const published: Promise<PublishFailure | undefined>[] = [];
    const message = outgoing({ routingKey: 'q' });
    const publishOnce = (): boolean => {
      let room = true;
      published.push(
        new Promise((resolve) => {
          room = channel.publish(message, resolve);
        }),
      );
      return room;
    };
    while (publishOnce());
    await settle();
    expect(drained).not.toHaveBeenCalled();
    broker.unblock();
    await Promise.all(published);
    await settle();
    expect(drained).toHaveBeenCalledTimes(1);
    expect(channel.publish(message, () => undefined)).toBe(true);
  });

  it('does not keep a link or channel from closing', async () => {
    const broker = new MemoryBroker();
    const open = await link(broker);
    const channel = await open.openChannel();
    broker.block('low on memory');
    const published = publish(channel, { routingKey: 'nowhere' });
    await channel.close();
    expect(await published).toMatchObject({ kind: 'channel-lost' });
    await open.close();
    expect(broker.snapshot().links).toEqual([]);
  });
});
