import { describe, expect } from 'vitest';
import type { Delivery } from '../../../libs/postage/src/connection/port.js';
import { eventually } from '../../support/eventually.js';
import { contractTest } from '../bench.js';
import { consume, publish, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

export const consumingContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a consumer', () => {
    it('gets messages in the order of publishing, with tags that count from 1', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b');
      const { inbox } = await consume(await bench.channel(), queue);
      await bench.fill(queue, 'c');
      const deliveries = await inbox.take(3);
      expect(textsOf(deliveries)).toEqual(['a', 'b', 'c']);
      expect(deliveries.map(({ deliveryTag }) => deliveryTag)).toEqual([1, 2, 3]);
      expect(deliveries.map(({ redelivered }) => redelivered)).toEqual([false, false, false]);
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0, consumerCount: 1 });
    });

    it('is never called within consume, publish or ack', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b');
      const channel = await bench.channel();
      await channel.prefetch(1);
      let inside = false;
      const seen: boolean[] = [];
      const enough = new Promise<void>((resolve) => {
        const onDelivery = (delivery: Delivery | null): void => {
          seen.push(inside);
          if (seen.length === 3) return resolve();
          inside = true;
          channel.ack(delivery?.deliveryTag ?? 0, false);
          inside = false;
        };
        inside = true;
        channel.consume(queue, onDelivery).then(
          () => publish(channel, { routingKey: queue }),
          () => undefined,
        );
        inside = false;
      });
      await enough;
      expect(seen).toEqual([false, false, false]);
    });

    it('that throws does not take its channel along', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      let calls = 0;
      const both = new Promise<void>((resolve) => {
        void channel.consume(queue, () => {
          calls += 1;
          if (calls === 2) resolve();
          throw new Error('thrown by a listener on purpose');
        });
      });
      await bench.fill(queue, 'a', 'b');
      await both;
      expect(channel.isOpen).toBe(true);
      expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 0 });
    });

    it('without acks leaves nothing to give back', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b');
      const channel = await bench.channel();
      await channel.prefetch(1);
      const { inbox } = await consume(channel, queue, { noAck: true });
      await inbox.take(2);
      await channel.close();
      await eventually(async () =>
        expect(await bench.status(queue)).toMatchObject({ messageCount: 0, consumerCount: 0 }),
      );
    });

    it('takes turns with the others', async ({ bench }) => {
      const queue = await bench.queue();
      const channels = [await bench.channel(), await bench.channel(), await bench.channel()];
      const consumers = await Promise.all(channels.map((channel) => consume(channel, queue)));
      for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) await bench.fill(queue, text);
      const got = await Promise.all(consumers.map(async ({ inbox }) => textsOf(await inbox.take(2))));
      expect(got.flat().toSorted()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
      for (const texts of got)
        expect((texts[1]?.charCodeAt(0) ?? 0) - (texts[0]?.charCodeAt(0) ?? 0)).toBe(3);
    });

    it('of a higher priority goes first while it has credit', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      await channel.prefetch(2);
      const low = await consume(channel, queue);
      const high = await consume(channel, queue, { arguments: { 'x-priority': 5 } });
      for (const text of ['a', 'b', 'c', 'd']) await bench.fill(queue, text);
      expect(textsOf(await high.inbox.take(2))).toEqual(['a', 'b']);
      expect(textsOf(await low.inbox.take(2))).toEqual(['c', 'd']);
    });
  });

  describe('prefetch', () => {
    it('limits what a consumer has in hand, and an ack makes room for the next', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b', 'c', 'd');
      const channel = await bench.channel();
      await channel.prefetch(2);
      const { inbox } = await consume(channel, queue);
      await inbox.take(2);
      expect(await bench.status(queue)).toMatchObject({ messageCount: 2 });
      channel.ack(1, false);
      expect(textsOf(await inbox.take(3))).toEqual(['a', 'b', 'c']);
      expect(await bench.status(queue)).toMatchObject({ messageCount: 1 });
      channel.reject(2, false);
      expect(textsOf(await inbox.take(4))).toEqual(['a', 'b', 'c', 'd']);
    });

    it('counts for each consumer alone, and only for those that start afterwards', async ({ bench }) => {
      const [first, second, third] = [await bench.queue(), await bench.queue(), await bench.queue()];
      for (const queue of [first, second, third]) await bench.fill(queue, 'a', 'b', 'c');
      const channel = await bench.channel();
      await channel.prefetch(1);
      const one = await consume(channel, first);
      await channel.prefetch(2);
      const two = await consume(channel, second);
      await channel.prefetch(0);
      const all = await consume(channel, third);
      await Promise.all([one.inbox.take(1), two.inbox.take(2), all.inbox.take(3)]);
      expect(await bench.status(first)).toMatchObject({ messageCount: 2 });
      expect(await bench.status(second)).toMatchObject({ messageCount: 1 });
      expect(await bench.status(third)).toMatchObject({ messageCount: 0 });
    });

    it('passes messages by a consumer that has no room', async ({ bench }) => {
      const queue = await bench.queue();
      const [slow, fast] = [await bench.channel(), await bench.channel()];
      await slow.prefetch(1);
      const stuck = await consume(slow, queue);
      const free = await consume(fast, queue);
      for (const text of ['a', 'b', 'c', 'd', 'e']) await bench.fill(queue, text);
      await free.inbox.take(4);
      expect(textsOf(await stuck.inbox.take(1))).toEqual(['a']);
      expect(textsOf(free.inbox.items)).toEqual(['b', 'c', 'd', 'e']);
    });
  });
};
