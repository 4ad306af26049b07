import { describe, expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { contractTest, type Bench } from '../bench.js';
import { consume, publish, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

const NACKED = { kind: 'nacked' };

export const limitsContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a queue with x-max-length', () => {
    it('drops from its head', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-max-length': 2 } });
      const channel = await bench.channel();
      for (const content of ['a', 'b', 'c', 'd']) {
        expect(await publish(channel, { routingKey: queue, content })).toBeUndefined();
      }
      expect(textsOf(await bench.drain(queue))).toEqual(['c', 'd']);
    });

    it('counts only what is ready', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-max-length': 1 } });
      const channel = await bench.channel();
      await channel.prefetch(2);
      const { inbox, tag } = await consume(channel, queue);
      await bench.fill(queue, 'a', 'b');
      await inbox.take(2);
      await channel.cancel(tag);
      await bench.fill(queue, 'c', 'd');
      expect(textsOf(await bench.drain(queue))).toEqual(['d']);
    });

    it('drops from its head, too, when messages come back', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-max-length': 2 } });
      const channel = await bench.channel();
      const { inbox } = await consume(channel, queue);
      await bench.fill(queue, 'a', 'b', 'c');
      await inbox.take(3);
      await channel.close();
      await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 2 }));
      expect(textsOf(await bench.drain(queue))).toEqual(['b', 'c']);
    });

    it('and reject-publish keeps what comes back', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-max-length': 2, 'x-overflow': 'reject-publish' } });
      const channel = await bench.channel();
      const { inbox } = await consume(channel, queue);
      await bench.fill(queue, 'a', 'b', 'c');
      await inbox.take(3);
      await channel.close();
      await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 3 }));
    });

    it('and reject-publish refuses what does not fit, until there is room', async ({ bench }) => {
      const grave = await bench.queue();
      const deadLetter = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': grave };
      const table = { 'x-max-length': 1, 'x-overflow': 'reject-publish', ...deadLetter };
      const queue = await bench.queue({ arguments: table });
      const channel = await bench.channel();
      expect(await publish(channel, { routingKey: queue, content: 'a' })).toBeUndefined();
      expect(await publish(channel, { routingKey: queue, content: 'b' })).toEqual(NACKED);
      expect(textsOf(await bench.drain(queue))).toEqual(['a']);
      expect(await publish(channel, { routingKey: queue, content: 'c' })).toBeUndefined();
      expect(await bench.status(grave)).toMatchObject({ messageCount: 0 });
    });

    it('and reject-publish-dlx dead-letters what it refuses', async ({ bench }) => {
      const grave = await bench.queue();
      const table = {
        'x-max-length': 1,
        'x-overflow': 'reject-publish-dlx',
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': grave,
      };
      const queue = await bench.queue({ arguments: table });
      const channel = await bench.channel();
      await publish(channel, { routingKey: queue, content: 'a' });
      expect(await publish(channel, { routingKey: queue, content: 'b' })).toEqual(NACKED);
      const { inbox } = await consume(channel, grave);
      const [dead] = await inbox.take(1);
      expect(dead?.content.toString()).toBe('b');
      expect(dead?.properties.headers).toMatchObject({ 'x-first-death-reason': 'maxlen' });
    });

    it('nacks a message that one of two queues refuses', async ({ bench }) => {
      const full = await bench.queue({ arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' } });
      const roomy = await bench.queue();
      const exchange = await bench.exchange('fanout');
      for (const queue of [full, roomy]) await bench.bind(exchange, queue);
      expect(await publish(await bench.channel(), { exchange, content: 'a' })).toEqual(NACKED);
      expect(textsOf(await bench.drain(roomy))).toEqual(['a']);
    });
  });

  describe('a queue with x-max-length-bytes', () => {
    it('drops from its head', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-max-length-bytes': 10 } });
      const channel = await bench.channel();
      for (const content of ['aaaa', 'bbbb', 'cc', 'dddd'])
        await publish(channel, { routingKey: queue, content });
      expect(textsOf(await bench.drain(queue))).toEqual(['bbbb', 'cc', 'dddd']);
    });
  });

  describe('a queue with x-max-priority', () => {
    const fill = async (
      bench: Bench,
      queue: string,
      ...messages: readonly (readonly [string, number?])[]
    ): Promise<void> => {
      const channel = await bench.admin();
      for (const [content, priority] of messages)
        await publish(channel, { routingKey: queue, content, properties: { priority } });
    };

    it('delivers by priority, and equals in order', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-max-priority': 5 } });
      await fill(bench, queue, ['none'], ['0', 0], ['3', 3], ['5', 5], ['9', 9], ['3 again', 3], ['1', 1]);
      expect(textsOf(await bench.drain(queue))).toEqual(['5', '9', '3', '3 again', '1', 'none', '0']);
    });

    it('puts a message back among its equals', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-max-priority': 5 } });
      await fill(bench, queue, ['low', 1], ['high', 4], ['low too', 1]);
      const channel = await bench.channel();
      await channel.prefetch(2);
      const { inbox } = await consume(channel, queue);
      await inbox.take(2);
      await channel.close();
      await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 3 }));
      const deliveries = await bench.drain(queue);
      expect(textsOf(deliveries)).toEqual(['high', 'low', 'low too']);
      expect(deliveries.map(({ redelivered }) => redelivered)).toEqual([true, true, false]);
    });

    it('and no such argument ignores priorities', async ({ bench }) => {
      const queue = await bench.queue();
      await fill(bench, queue, ['a', 1], ['b', 9]);
      expect(textsOf(await bench.drain(queue))).toEqual(['a', 'b']);
    });
  });

  describe('a quorum queue', () => {
    const quorum = { 'x-queue-type': 'quorum' };

    it('counts how often a message came back', async ({ bench }) => {
      const queue = await bench.queue({ arguments: quorum });
      await bench.fill(queue, 'a');
      const channel = await bench.channel();
      const { inbox } = await consume(channel, queue);
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        const delivery = (await inbox.take(attempt)).at(-1);
        const count = delivery?.properties.headers?.['x-delivery-count'];
        expect([count ?? 0, delivery?.redelivered]).toEqual([attempt - 1, attempt > 1]);
        channel.reject(delivery?.deliveryTag ?? 0, true);
      }
    });

    it('with x-delivery-limit gives up after so many returns', async ({ bench }) => {
      const grave = await bench.queue();
      const table = {
        ...quorum,
        'x-delivery-limit': 2,
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': grave,
      };
      const queue = await bench.queue({ arguments: table });
      await bench.fill(queue, 'a');
      const channel = await bench.channel();
      const { inbox } = await consume(channel, queue);
      for (let attempt = 1; attempt <= 3; attempt += 1) {
        const delivery = (await inbox.take(attempt)).at(-1);
        channel.reject(delivery?.deliveryTag ?? 0, true);
      }
      const dead = await consume(await bench.channel(), grave);
      const [delivery] = await dead.inbox.take(1);
      expect(delivery?.properties.headers).toMatchObject({
        'x-first-death-reason': 'delivery_limit',
        'x-first-death-queue': queue,
      });
      expect(inbox.items).toHaveLength(3);
    });
  });
};
