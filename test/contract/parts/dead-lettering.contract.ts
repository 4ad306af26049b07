import { describe, expect } from 'vitest';
import { contractTest } from '../bench.js';
import { cemetery, deathsOf, exhume, queueDyingTo, rejectFrom } from '../dead-letters.js';
import { consume, publish, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

export const deadLetteringContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a dead letter', () => {
    it('tells where, when, why and how often it died', async ({ bench }) => {
      const { exchange, grave } = await cemetery(bench);
      const source = await bench.exchange('topic');
      const queue = await queueDyingTo(bench, exchange);
      await bench.bind(source, queue, 'k.#');
      const channel = await bench.channel();
      const properties = { messageId: 'm', deliveryMode: 2, headers: { mine: 'kept' } };
      await publish(channel, { exchange: source, routingKey: 'k.1', content: 'body', properties });
      await rejectFrom(channel, queue);
      const [dead] = await exhume(bench, grave);
      expect(dead).toMatchObject({
        exchange,
        routingKey: 'k.1',
        redelivered: false,
        properties: { messageId: 'm', deliveryMode: 2 },
      });
      expect(dead?.content.toString()).toBe('body');
      expect(dead?.properties.headers).toMatchObject({
        mine: 'kept',
        'x-first-death-exchange': source,
        'x-first-death-queue': queue,
        'x-first-death-reason': 'rejected',
      });
      const [death, ...more] = deathsOf(dead);
      expect(more).toEqual([]);
      expect(death).toMatchObject({
        count: 1,
        reason: 'rejected',
        queue,
        exchange: source,
        'routing-keys': ['k.1'],
      });
      const time = death?.['time'] as { '!': string; value: number };
      expect(time['!']).toBe('timestamp');
      expect(Math.abs(time.value - Date.now() / 1000)).toBeLessThan(5);
    });

    it('goes under a key of its own where the queue says so', async ({ bench }) => {
      const exchange = await bench.exchange('direct');
      const grave = await bench.queue();
      await bench.bind(exchange, grave, 'dead');
      const queue = await queueDyingTo(bench, exchange, { 'x-dead-letter-routing-key': 'dead' });
      const channel = await bench.channel();
      await publish(channel, { routingKey: queue });
      await rejectFrom(channel, queue);
      const [dead] = await exhume(bench, grave);
      expect(dead).toMatchObject({ exchange, routingKey: 'dead' });
      expect(deathsOf(dead)[0]).toMatchObject({ exchange: '', 'routing-keys': [queue] });
    });

    it('loses its expiration, which is written down', async ({ bench }) => {
      const { exchange, grave } = await cemetery(bench);
      const queue = await queueDyingTo(bench, exchange);
      await publish(await bench.channel(), { routingKey: queue, properties: { expiration: '20' } });
      const [dead] = await exhume(bench, grave);
      expect(dead?.properties.expiration).toBeUndefined();
      expect(deathsOf(dead)).toMatchObject([{ reason: 'expired', 'original-expiration': '20', queue }]);
    });

    it('says "expired" after the time to live of its queue, and "maxlen" after an overflow', async ({
      bench,
    }) => {
      const { exchange, grave } = await cemetery(bench);
      const timed = await queueDyingTo(bench, exchange, { 'x-message-ttl': 20 });
      await bench.fill(timed, 'a');
      const { inbox } = await consume(await bench.channel(), grave);
      await inbox.take(1);
      const full = await queueDyingTo(bench, exchange, { 'x-max-length': 1 });
      await bench.fill(full, 'b', 'c');
      const reasons = (await inbox.take(2)).map((dead) => [
        dead.content.toString(),
        deathsOf(dead)[0]?.['reason'],
      ]);
      expect(reasons).toEqual([
        ['a', 'expired'],
        ['b', 'maxlen'],
      ]);
      expect(deathsOf(inbox.items[0])[0]).not.toHaveProperty('original-expiration');
    });

    it('counts the same death again, and lists another one before it', async ({ bench }) => {
      const { exchange, grave } = await cemetery(bench);
      const queue = await queueDyingTo(bench, exchange);
      const other = await queueDyingTo(bench, exchange);
      const channel = await bench.channel();
      const consumer = await consume(channel, grave, { noAck: true });
      await bench.fill(queue, 'a');
      for (const [next, count] of [
        [queue, 1],
        [other, 2],
        [queue, 3],
      ] as const) {
        await rejectFrom(channel, next);
        const dead = (await consumer.inbox.take(count)).at(-1);
        await publish(channel, {
          routingKey: count === 1 ? other : queue,
          properties: dead?.properties ?? {},
        });
      }
      const deaths = deathsOf(consumer.inbox.items[2]);
      expect(deaths).toMatchObject([
        { queue, count: 2, reason: 'rejected' },
        { queue: other, count: 1, reason: 'rejected' },
      ]);
      expect(consumer.inbox.items[2]?.properties.headers).toMatchObject({ 'x-first-death-queue': queue });
    });

    it('keeps the order of those that are rejected together', async ({ bench }) => {
      const { exchange, grave } = await cemetery(bench);
      const queue = await queueDyingTo(bench, exchange);
      await bench.fill(queue, 'a', 'b', 'c');
      await rejectFrom(await bench.channel(), queue, 3);
      expect(textsOf(await exhume(bench, grave, 3))).toEqual(['a', 'b', 'c']);
    });

    it('goes through the default exchange to a queue by name', async ({ bench }) => {
      const grave = await bench.queue();
      const queue = await queueDyingTo(bench, '', { 'x-dead-letter-routing-key': grave });
      await bench.fill(queue, 'a');
      await rejectFrom(await bench.channel(), queue);
      expect(await exhume(bench, grave)).toMatchObject([{ exchange: '', routingKey: grave }]);
    });

    it('is lost when its exchange is not there', async ({ bench }) => {
      const queue = await queueDyingTo(bench, 'there is no such exchange');
      await bench.fill(queue, 'a');
      const channel = await bench.channel();
      await rejectFrom(channel, queue);
      expect(channel.isOpen).toBe(true);
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
    });

    it('is not made of a message that is acked, put back, or deleted with its queue', async ({ bench }) => {
      const { exchange, grave } = await cemetery(bench);
      const queue = await queueDyingTo(bench, exchange);
      await bench.fill(queue, 'a', 'b', 'c');
      const channel = await bench.channel();
      const { inbox } = await consume(channel, queue);
      await inbox.take(3);
      channel.ack(1, false);
      channel.reject(2, true);
      await inbox.take(4);
      await channel.deleteQueue(queue);
      const witness = await queueDyingTo(bench, exchange);
      await bench.fill(witness, 'witness');
      await rejectFrom(await bench.channel(), witness);
      expect(textsOf(await exhume(bench, grave))).toEqual(['witness']);
      expect(await bench.status(grave)).toMatchObject({ messageCount: 0 });
    });
  });
};
