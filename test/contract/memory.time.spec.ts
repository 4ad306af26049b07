import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Delivery } from '../../libs/postage/src/connection/port.js';
import { MemoryBroker } from '../../libs/postage/src/testing/memory-broker.js';
import { aQueue } from './bench.js';
import { channelOf, link, summary } from './memory-support.js';
import { publish } from './messages.js';

afterEach(() => {
  vi.useRealTimers();
});

describe('the clock', () => {
  it("may be the test's own, and nothing overdue is delivered even when its timer is late", async () => {
    let nowMs = 0;
    const broker = new MemoryBroker({ clock: { now: () => nowMs, after: () => () => undefined } });
    const channel = await channelOf(broker);
    await channel.assertQueue(aQueue({ name: 'q' }));
    for (const expiration of ['1000', '3000'])
      await publish(channel, { routingKey: 'q', properties: { expiration } });
    nowMs = 2000;
    const first = await new Promise<Delivery | null>((resolve) => void channel.consume('q', resolve));
    expect(first?.properties).toMatchObject({ expiration: '3000' });
  });

  it('is the fake one of a test, while the network goes on', async () => {
    vi.useFakeTimers();
    const broker = new MemoryBroker();
    const channel = await channelOf(broker);
    await channel.assertQueue(aQueue({ name: 'q', arguments: { 'x-message-ttl': 3_600_000 } }));
    await publish(channel, { routingKey: 'q' });
    vi.advanceTimersByTime(3_599_999);
    expect(summary(broker)).toEqual({ q: '1 ready, 0 unacked' });
    vi.advanceTimersByTime(1);
    expect(summary(broker)).toEqual({ q: '0 ready, 0 unacked' });
  });

  it('stands still for nobody: what expires without a link is gone at the next one', async () => {
    vi.useFakeTimers();
    const broker = new MemoryBroker();
    const first = await link(broker);
    const channel = await first.openChannel();
    await channel.assertQueue(aQueue({ name: 'q', arguments: { 'x-expires': 1000 } }));
    await publish(channel, { routingKey: 'q' });
    await channel.consume('q', () => undefined);
    await first.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(2000);
    const later = await channelOf(broker);
    await expect(later.checkQueue('q')).rejects.toMatchObject({ amqpCode: 404 });
  });

  it('keeps no process alive, and no timer once all links are closed', async () => {
    const before = process.getActiveResourcesInfo();
    const broker = new MemoryBroker();
    const open = await link(broker);
    const channel = await open.openChannel();
    await channel.assertQueue(
      aQueue({ name: 'q', arguments: { 'x-message-ttl': 60_000, 'x-expires': 90_000 } }),
    );
    await publish(channel, { routingKey: 'q' });
    // An unref'd timer is not an active resource.
    expect(process.getActiveResourcesInfo().filter((each) => each === 'Timeout')).toEqual(
      before.filter((each) => each === 'Timeout'),
    );
    await open.close();
    expect(process.getActiveResourcesInfo().filter((each) => each === 'Immediate')).toEqual([]);
  });
});
