import { describe, expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { aQueue, contractTest, type Bench } from '../bench.js';
import { consume, endOf, publish } from '../messages.js';
import type { Subject } from '../subject.js';

const exists = async (bench: Bench, queue: string): Promise<boolean> => {
  const channel = await bench.channel();
  return channel.checkQueue(queue).then(
    () => channel.close().then(() => true),
    () => false,
  );
};

const exchangeExists = async (bench: Bench, exchange: string): Promise<boolean> => {
  const channel = await bench.channel();
  return channel.checkExchange(exchange).then(
    () => channel.close().then(() => true),
    () => false,
  );
};

const gone = (bench: Bench, queue: string): Promise<void> =>
  eventually(async () => expect(await exists(bench, queue)).toBe(false));

export const lifetimeContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('an exclusive queue', () => {
    it('lives as long as its link, not its channel', async ({ bench }) => {
      const owner = await bench.link();
      const channel = await owner.openChannel();
      const name = bench.own((await channel.assertQueue(aQueue({ exclusive: true }))).queue);
      await channel.close();
      expect(await (await owner.openChannel()).checkQueue(name)).toMatchObject({ queue: name });
      await owner.close();
      await gone(bench, name);
    });

    it('goes with its link even when it is durable, consumed and full', async ({ bench }) => {
      const owner = await bench.link();
      const channel = await owner.openChannel();
      const { queue } = await channel.assertQueue(aQueue({ exclusive: true, durable: true }));
      await publish(channel, { routingKey: queue });
      await channel.consume(queue, () => undefined);
      await owner.close();
      await gone(bench, queue);
    });
  });

  describe('an auto-delete queue', () => {
    it('waits for its first consumer', async ({ bench }) => {
      const queue = await bench.queue({ autoDelete: true });
      await bench.fill(queue, 'a');
      const { inbox } = await consume(await bench.channel(), queue);
      await inbox.take(1);
      expect(await exists(bench, queue)).toBe(true);
    });

    it('goes with its last consumer, and takes what is in it along', async ({ bench }) => {
      const queue = await bench.queue({ autoDelete: true });
      const channel = await bench.channel();
      const first = await consume(channel, queue);
      const second = await consume(channel, queue);
      await channel.cancel(first.tag);
      await bench.fill(queue, 'a');
      await second.inbox.take(1);
      expect(await exists(bench, queue)).toBe(true);
      await channel.cancel(second.tag);
      await gone(bench, queue);
      expect(channel.isOpen).toBe(true);
    });

    it('goes when the channel of its last consumer does', async ({ bench }) => {
      const queue = await bench.queue({ autoDelete: true });
      const channel = await bench.channel();
      await consume(channel, queue);
      await channel.close();
      await gone(bench, queue);
    });

    it('goes when the link of its last consumer does', async ({ bench }) => {
      const queue = await bench.queue({ autoDelete: true });
      const link = await bench.link();
      await consume(await link.openChannel(), queue);
      await link.close();
      await gone(bench, queue);
    });
  });

  describe('an auto-delete exchange', () => {
    it('waits for its first binding and goes with its last', async ({ bench }) => {
      const exchange = await bench.exchange('direct', { autoDelete: true });
      const queue = await bench.queue();
      expect(await exchangeExists(bench, exchange)).toBe(true);
      await bench.bind(exchange, queue, 'a');
      await bench.bind(exchange, queue, 'b');
      const channel = await bench.channel();
      await channel.unbindQueue({ exchange, queue, key: 'a', arguments: {} });
      expect(await exchangeExists(bench, exchange)).toBe(true);
      await channel.unbindQueue({ exchange, queue, key: 'b', arguments: {} });
      expect(await exchangeExists(bench, exchange)).toBe(false);
    });

    it('goes when its last queue does', async ({ bench }) => {
      const exchange = await bench.exchange('topic', { autoDelete: true });
      const queue = await bench.queue();
      await bench.bind(exchange, queue, '#');
      await (await bench.admin()).deleteQueue(queue);
      expect(await exchangeExists(bench, exchange)).toBe(false);
    });

    it('that others lean on as their alternate goes as well', async ({ bench }) => {
      const exchange = await bench.exchange('fanout', { autoDelete: true });
      const other = await bench.exchange('direct', { arguments: { 'alternate-exchange': exchange } });
      const queue = await bench.queue();
      await bench.bind(exchange, queue);
      await (await bench.admin()).deleteQueue(queue);
      expect(await exchangeExists(bench, exchange)).toBe(false);
      expect(await publish(await bench.channel(), { exchange: other })).toBeUndefined();
    });
  });

  describe('a deleted exchange', () => {
    it('takes its bindings along', async ({ bench }) => {
      const exchange = await bench.exchange('fanout');
      const queue = await bench.queue();
      await bench.bind(exchange, queue);
      const channel = await bench.admin();
      await channel.deleteExchange(exchange);
      await bench.exchange('fanout', { name: exchange });
      await publish(channel, { exchange });
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
    });
  });

  describe('a deleted queue', () => {
    it('takes its messages and bindings along', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.bind('amq.fanout', queue);
      await bench.fill(queue, 'a');
      await (await bench.admin()).deleteQueue(queue);
      await bench.queue({ name: queue });
      await publish(await bench.channel(), { exchange: 'amq.fanout' });
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
    });

    it('is no longer found on its old channel', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const end = endOf(channel);
      await channel.deleteQueue(queue);
      await expect(channel.consume(queue, () => undefined)).rejects.toMatchObject({ amqpCode: 404 });
      await end;
    });
  });
};
