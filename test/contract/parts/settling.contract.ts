import { describe, expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { contractTest } from '../bench.js';
import { consume, endOf, textOf, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

export const settlingContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('an ack', () => {
    it('settles one delivery for good', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b', 'c');
      const channel = await bench.channel();
      const { inbox } = await consume(channel, queue);
      await inbox.take(3);
      channel.ack(2, false);
      await channel.close();
      await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 2 }));
      expect(textsOf(await bench.drain(queue))).toEqual(['a', 'c']);
    });

    it('with multiple settles all up to its tag, over all consumers of the channel', async ({ bench }) => {
      const [first, second] = [await bench.queue(), await bench.queue()];
      const channel = await bench.channel();
      const one = await consume(channel, first);
      const two = await consume(channel, second);
      await bench.fill(first, 'a');
      await one.inbox.take(1);
      await bench.fill(second, 'b');
      await two.inbox.take(1);
      await bench.fill(first, 'c');
      await one.inbox.take(2);
      channel.ack(2, true);
      await channel.close();
      await eventually(async () => expect(await bench.status(first)).toMatchObject({ messageCount: 1 }));
      expect(textsOf(await bench.drain(first))).toEqual(['c']);
      expect(await bench.status(second)).toMatchObject({ messageCount: 0 });
    });

    it('does not count for another channel', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a');
      const { inbox } = await consume(await bench.channel(), queue);
      const [delivery] = await inbox.take(1);
      const other = await bench.channel();
      const end = endOf(other);
      other.ack(delivery?.deliveryTag ?? 0, false);
      expect(await end).toMatchObject({
        amqpCode: 406,
        message: 'PRECONDITION_FAILED - unknown delivery tag 1',
      });
    });
  });

  for (const [what, settle] of [
    ['ack', 'ack'],
    ['reject', 'reject'],
  ] as const) {
    describe(`settling twice by ${what}`, () => {
      it('closes the channel and gives back what it had in hand', async ({ bench }) => {
        const queue = await bench.queue();
        await bench.fill(queue, 'a', 'b');
        const channel = await bench.channel();
        const { inbox } = await consume(channel, queue);
        await inbox.take(2);
        const end = endOf(channel);
        channel[settle](1, false);
        channel[settle](1, false);
        expect(await end).toMatchObject({
          name: 'BrokerError',
          amqpCode: 406,
          message: 'PRECONDITION_FAILED - unknown delivery tag 1',
        });
        expect(channel.isOpen).toBe(false);
        await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 1 }));
        const [back] = await bench.drain(queue);
        expect(back).toMatchObject({ redelivered: true });
        expect(back?.content.toString()).toBe('b');
      });
    });
  }

  describe('a rejection', () => {
    it('without requeue drops the message', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b');
      const channel = await bench.channel();
      const { inbox } = await consume(channel, queue);
      await inbox.take(2);
      channel.reject(1, false);
      channel.ack(2, false);
      await channel.close();
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
    });

    it('with requeue puts the message back where it was, marked as redelivered', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b', 'c', 'd');
      const channel = await bench.channel();
      await channel.prefetch(3);
      const { inbox, tag } = await consume(channel, queue);
      await inbox.take(3);
      await channel.cancel(tag);
      channel.reject(3, true);
      channel.reject(1, true);
      channel.ack(2, false);
      await channel.checkQueue(queue);
      await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 3 }));
      const deliveries = await bench.drain(queue);
      expect(deliveries.map((each) => [textOf(each), each.redelivered])).toEqual([
        ['a', true],
        ['c', true],
        ['d', false],
      ]);
    });

    it('with requeue may come back to the same consumer', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a');
      const channel = await bench.channel();
      const { inbox } = await consume(channel, queue);
      await inbox.take(1);
      channel.reject(1, true);
      const [, again] = await inbox.take(2);
      expect(again).toMatchObject({ deliveryTag: 2, redelivered: true });
    });
  });

  describe('a channel that ends', () => {
    it('gives back what it had in hand, in order, and marks only that as redelivered', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b', 'c', 'd', 'e');
      const channel = await bench.channel();
      await channel.prefetch(3);
      const { inbox } = await consume(channel, queue);
      await inbox.take(3);
      await channel.close();
      await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 5 }));
      const deliveries = await bench.drain(queue);
      expect(deliveries.map((each) => `${textOf(each)} ${each.redelivered}`)).toEqual([
        'a true',
        'b true',
        'c true',
        'd false',
        'e false',
      ]);
    });

    it('hands its messages to another consumer', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b');
      const dying = await (await bench.link()).openChannel();
      const first = await consume(dying, queue);
      await first.inbox.take(2);
      const second = await consume(await bench.channel(), queue);
      await dying.close();
      const deliveries = await second.inbox.take(2);
      expect(deliveries.map((each) => [textOf(each), each.redelivered])).toEqual([
        ['a', true],
        ['b', true],
      ]);
    });
  });
};
