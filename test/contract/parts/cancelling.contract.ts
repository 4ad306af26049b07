import { describe, expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { contractTest } from '../bench.js';
import { consume, endOf, textOf, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

export const cancellingContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('an exclusive consumer', () => {
    it('keeps others out until it is cancelled', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const { tag } = await consume(channel, queue, { exclusive: true });
      const other = await bench.channel();
      const end = endOf(other);
      await expect(other.consume(queue, () => undefined)).rejects.toMatchObject({
        amqpCode: 403,
        message: expect.stringMatching(`^ACCESS_REFUSED - queue '${queue}' in vhost '.*' in exclusive use$`),
      });
      expect(await end).toMatchObject({ amqpCode: 403 });
      await channel.cancel(tag);
      await consume(await bench.channel(), queue);
    });

    it('is refused where there is another one', async ({ bench }) => {
      const queue = await bench.queue();
      await consume(await bench.channel(), queue);
      const exclusive = (await bench.channel()).consume(queue, () => undefined, { exclusive: true });
      await expect(exclusive).rejects.toMatchObject({ amqpCode: 403 });
    });
  });

  describe('cancelling', () => {
    it('stops deliveries; what is in hand can still be acked', async ({ bench }) => {
      const queue = await bench.queue();
      await bench.fill(queue, 'a', 'b');
      const channel = await bench.channel();
      const { tag, inbox } = await consume(channel, queue);
      await inbox.take(2);
      await channel.cancel(tag);
      await bench.fill(queue, 'c');
      expect(await bench.status(queue)).toMatchObject({ messageCount: 1, consumerCount: 0 });
      channel.ack(1, false);
      await channel.checkQueue(queue);
      await channel.close();
      await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 2 }));
      expect(textsOf(inbox.items)).toEqual(['a', 'b']);
      const next = await consume(await bench.channel(), queue);
      const deliveries = await next.inbox.take(2);
      expect(deliveries.map((each) => [textOf(each), each.redelivered])).toEqual([
        ['b', true],
        ['c', false],
      ]);
    });

    it('leaves the other consumers of the channel alone', async ({ bench }) => {
      const [first, second] = [await bench.queue(), await bench.queue()];
      const channel = await bench.channel();
      const gone = await consume(channel, first);
      const stays = await consume(channel, second);
      await channel.cancel(gone.tag);
      await channel.cancel('there is no such consumer');
      await bench.fill(second, 'a');
      expect(textsOf(await stays.inbox.take(1))).toEqual(['a']);
    });

    it('by the broker reaches every consumer of a deleted queue, and spares their channels', async ({
      bench,
    }) => {
      const [queue, other] = [await bench.queue(), await bench.queue()];
      const [near, far] = [await bench.channel(), await (await bench.link()).openChannel()];
      const consumers = [await consume(near, queue), await consume(far, queue)];
      await bench.fill(queue, 'a', 'b');
      await Promise.all(consumers.map(({ inbox }) => inbox.take(1)));
      const neighbour = await consume(near, other);
      await (await bench.admin()).deleteQueue(queue);
      await Promise.all(consumers.map(({ cancelled }) => cancelled));
      // What was in hand can be settled, though nobody needs it any more.
      near.ack(1, false);
      far.reject(1, true);
      await bench.fill(other, 'c');
      await neighbour.inbox.take(1);
      expect([near.isOpen, far.isOpen]).toEqual([true, true]);
      await expect(far.checkQueue(queue)).rejects.toMatchObject({ amqpCode: 404 });
    });
  });

  describe('a single active consumer', () => {
    it('gets everything until it goes, and then the next one does', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-single-active-consumer': true } });
      const [one, two] = [await bench.channel(), await bench.channel()];
      const first = await consume(one, queue);
      const second = await consume(two, queue);
      await bench.fill(queue, 'a', 'b');
      await first.inbox.take(2);
      one.ack(2, true);
      await one.cancel(first.tag);
      await bench.fill(queue, 'c', 'd');
      expect(textsOf(await second.inbox.take(2))).toEqual(['c', 'd']);
      expect(textsOf(first.inbox.items)).toEqual(['a', 'b']);
    });
  });
};
