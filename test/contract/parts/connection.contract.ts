import { describe, expect, vi } from 'vitest';
import { BrokerError, ConnectionError } from '../../../libs/postage/src/errors.js';
import { aQueue, contractTest } from '../bench.js';
import { consume, endOf, outgoing, publish, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

export const connectionContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a link', () => {
    it('shows an address without credentials', async ({ bench }) => {
      const { address } = await bench.link();
      expect(address).not.toMatch(/guest|@/);
    });

    it('is not opened for a request that was aborted before', async () => {
      const driver = await subject.connect();
      const connecting = driver.connect({ connectionName: 'aborted', signal: AbortSignal.abort() });
      await expect(connecting).rejects.toMatchObject({ name: 'ConnectionError', code: 'CONNECTION_CLOSED' });
    });

    it('tells once, without an error, that it was closed by us', async ({ bench }) => {
      const link = await bench.link();
      const listener = vi.fn<(error: Error | undefined) => void>();
      link.onClosed(listener);
      await Promise.all([link.close(), link.close()]);
      await link.close();
      await endOf(link);
      expect(listener.mock.calls).toEqual([[undefined]]);
    });

    it('tells a listener that comes too late as well, but never while it registers', async ({ bench }) => {
      const link = await bench.link();
      const channel = await link.openChannel();
      await link.close();
      for (const ended of [link, channel]) {
        let registering = true;
        const told = new Promise<boolean>((resolve) => {
          ended.onClosed(() => resolve(registering));
        });
        registering = false;
        expect(await told).toBe(false);
      }
    });

    it('opens no channel once it is closed', async ({ bench }) => {
      const link = await bench.link();
      await link.close();
      await expect(link.openChannel()).rejects.toBeInstanceOf(BrokerError);
    });

    it('ends its channels, their operations and their publishes when it is closed', async ({ bench }) => {
      const link = await bench.link();
      const channel = await link.openChannel();
      const ended = endOf(channel);
      const asked = channel.checkQueue(await bench.queue());
      const published = publish(channel, { routingKey: 'nowhere' });
      asked.catch(() => undefined);
      await link.close();
      await ended;
      expect(channel.isOpen).toBe(false);
      await Promise.allSettled([asked, published]);
      await expect(channel.checkQueue('any')).rejects.toBeInstanceOf(BrokerError);
    });
  });

  describe('a link that the broker cuts', () => {
    it('is reported as lost, after its channels', async ({ bench }) => {
      const link = await bench.link();
      const channel = await link.openChannel();
      const order: string[] = [];
      channel.onClosed((error) => order.push(`channel ${error?.name}`));
      const lost = new Promise<Error | undefined>((resolve) => {
        link.onClosed((error) => {
          order.push('link');
          resolve(error);
        });
      });
      await bench.cut();
      const error = await lost;
      expect(error).toBeInstanceOf(ConnectionError);
      expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
      expect(order).toEqual(['channel BrokerError', 'link']);
      expect(channel.isOpen).toBe(false);
    });

    it('gives back what it had not settled, in order and marked as redelivered', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b', 'c');
      const lost = await bench.link();
      const first = await consume(await lost.openChannel(), queue);
      await first.inbox.take(3);
      await bench.cut();
      const second = await consume(await bench.channel(), queue);
      const deliveries = await second.inbox.take(3);
      expect(textsOf(deliveries)).toEqual(['a', 'b', 'c']);
      expect(deliveries.map(({ redelivered }) => redelivered)).toEqual([true, true, true]);
    });
  });

  describe('a channel', () => {
    it('tells once, without an error, that it was closed by us', async ({ bench }) => {
      const channel = await bench.channel();
      const listener = vi.fn<(error: Error | undefined) => void>();
      channel.onClosed(listener);
      await Promise.all([channel.close(), channel.close()]);
      await endOf(channel);
      expect(listener.mock.calls).toEqual([[undefined]]);
      expect(channel.isOpen).toBe(false);
    });

    it('refuses to work once it is closed, but takes a late ack in silence', async ({ bench }) => {
      const channel = await bench.channel();
      await channel.close();
      await expect(channel.assertQueue(aQueue())).rejects.toBeInstanceOf(BrokerError);
      await expect(channel.consume('any', () => undefined)).rejects.toBeInstanceOf(BrokerError);
      expect(() => channel.publish(outgoing({}), () => undefined)).toThrow(/closed/);
      channel.ack(1, false);
      channel.reject(1, true);
    });

    it('fails what it has not confirmed when it is closed by us', async ({ bench }) => {
      const channel = await bench.channel();
      const published = publish(channel, { routingKey: 'nowhere' });
      await channel.close();
      expect(await published).toMatchObject({ kind: 'channel-lost', cause: expect.any(Error) });
    });

    it('counts as closed by us when the broker ends it at the same moment', async ({ bench }) => {
      const channel = await bench.channel();
      const end = endOf(channel);
      channel.ack(99, false);
      await channel.close();
      expect(await end).toBeUndefined();
    });

    it('lives on when the broker refuses something on another one', async ({ bench }) => {
      const link = await bench.link();
      const [good, bad] = [await link.openChannel(), await link.openChannel()];
      const end = endOf(bad);
      await expect(bad.checkQueue('there is no such queue')).rejects.toMatchObject({ amqpCode: 404 });
      expect(await end).toMatchObject({ name: 'BrokerError', amqpCode: 404 });
      expect(bad.isOpen).toBe(false);
      expect(good.isOpen).toBe(true);
      expect(await publish(good, { routingKey: 'nowhere' })).toBeUndefined();
    });

    it('leaves no operation pending when the broker ends it', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const refused = channel.checkExchange('there is no such exchange');
      const behind = [channel.checkQueue(queue), channel.assertQueue(aQueue({ name: queue }))];
      await expect(refused).rejects.toMatchObject({ amqpCode: 404 });
      for (const each of behind) await expect(each).rejects.toBeInstanceOf(BrokerError);
    });
  });
};
