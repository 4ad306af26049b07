import { describe, expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { contractTest, type Bench } from '../bench.js';
import { consume, publish, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

const SOON_MS = 100;
const SOON = String(SOON_MS);
const NEVER = '600000';

/** A queue whose dead letters another queue collects: the event to wait for when something expires. */
const withGrave = async (
  bench: Bench,
  table: Readonly<Record<string, number>> = {},
): Promise<{ queue: string; grave: string }> => {
  const grave = await bench.queue();
  const deadLetter = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': grave };
  return { grave, queue: await bench.queue({ arguments: { ...table, ...deadLetter } }) };
};

export const expiringContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a message with an expiration', () => {
    it('leaves the queue when its time is up, and not before', async ({ bench }) => {
      const { queue, grave } = await withGrave(bench);
      const { inbox } = await consume(await bench.channel(), grave);
      const startMs = performance.now();
      await publish(await bench.channel(), { routingKey: queue, properties: { expiration: SOON } });
      await inbox.take(1);
      // Timers of both sides are rounded to milliseconds.
      expect(performance.now() - startMs).toBeGreaterThan(SOON_MS - 5);
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
    });

    it('that a consumer has in hand does not expire, but does when it comes back', async ({ bench }) => {
      const { queue, grave } = await withGrave(bench);
      const channel = await bench.channel();
      const dead = await consume(await bench.channel(), grave);
      const { inbox, tag } = await consume(channel, queue);
      await publish(channel, { routingKey: queue, properties: { expiration: '1' } });
      const witness = { routingKey: queue, content: 'witness', properties: { expiration: SOON } };
      const [delivery] = await inbox.take(1);
      await channel.cancel(tag);
      await publish(channel, witness);
      const [first] = await dead.inbox.take(1);
      expect(first?.content.toString()).toBe('witness');
      channel.reject(delivery?.deliveryTag ?? 0, true);
      const [, second] = await dead.inbox.take(2);
      expect(second?.content.toString()).toBe('text');
    });

    it('of zero reaches a consumer that has room, and nobody else', async ({ bench }) => {
      const { queue, grave } = await withGrave(bench);
      const channel = await bench.channel();
      const nobody = { routingKey: queue, content: 'nobody', properties: { expiration: '0' } };
      await publish(channel, nobody);
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
      const dead = await consume(await bench.channel(), grave);
      await dead.inbox.take(1);
      await channel.prefetch(1);
      const { inbox } = await consume(channel, queue);
      await publish(channel, { ...nobody, content: 'room' });
      await inbox.take(1);
      await publish(channel, { ...nobody, content: 'no room' });
      expect(textsOf(await dead.inbox.take(2))).toEqual(['nobody', 'no room']);
      expect(textsOf(inbox.items)).toEqual(['room']);
    });

    it('expires only at the head of the queue', async ({ bench }) => {
      const { queue, grave } = await withGrave(bench);
      const channel = await bench.channel();
      const dead = await consume(await bench.channel(), grave);
      await publish(channel, { routingKey: queue, content: 'head', properties: { expiration: NEVER } });
      await publish(channel, { routingKey: queue, content: 'behind', properties: { expiration: '1' } });
      const witness = await withGrave(bench);
      const seen = await consume(await bench.channel(), witness.grave);
      await publish(channel, { routingKey: witness.queue, properties: { expiration: SOON } });
      await seen.inbox.take(1);
      expect(await bench.status(queue)).toMatchObject({ messageCount: 2 });
      await channel.prefetch(1);
      const { inbox } = await consume(channel, queue);
      expect(textsOf(await dead.inbox.take(1))).toEqual(['behind']);
      expect(textsOf(inbox.items)).toEqual(['head']);
    });
  });

  describe('a queue with x-message-ttl', () => {
    it('lets every message expire', async ({ bench }) => {
      const { queue, grave } = await withGrave(bench, { 'x-message-ttl': SOON_MS });
      const dead = await consume(await bench.channel(), grave);
      await bench.fill(queue, 'a', 'b', 'c');
      expect(textsOf(await dead.inbox.take(3))).toEqual(['a', 'b', 'c']);
    });

    it('and a message with an expiration go by the shorter time', async ({ bench }) => {
      const slow = await withGrave(bench, { 'x-message-ttl': Number(NEVER) });
      const fast = await withGrave(bench, { 'x-message-ttl': SOON_MS });
      const channel = await bench.channel();
      const dead = [await consume(channel, slow.grave), await consume(channel, fast.grave)];
      await publish(channel, { routingKey: slow.queue, properties: { expiration: SOON } });
      await publish(channel, { routingKey: fast.queue, properties: { expiration: NEVER } });
      await Promise.all(dead.map(({ inbox }) => inbox.take(1)));
    });

    it('drops what expires where there is no dead-letter exchange', async ({ bench }) => {
      const queue = await bench.queue({ arguments: { 'x-message-ttl': SOON_MS } });
      await bench.fill(queue, 'a');
      await eventually(async () => expect(await bench.status(queue)).toMatchObject({ messageCount: 0 }));
    });
  });

  describe('a queue with x-expires', () => {
    it('goes when nobody uses it, and does not dead-letter what is in it', async ({ bench }) => {
      const { queue, grave } = await withGrave(bench, { 'x-expires': 300 });
      await bench.fill(queue, 'a');
      await eventually(async () => expect(await leadsNowhere(bench, queue)).toBe(true));
      expect(await bench.status(grave)).toMatchObject({ messageCount: 0 });
    });

    it('stays while it has a consumer', async ({ bench }) => {
      const consumed = await bench.queue({ arguments: { 'x-expires': 200 } });
      const channel = await bench.channel();
      const { tag } = await consume(channel, consumed);
      const witness = await bench.queue({ arguments: { 'x-expires': 300 } });
      await eventually(async () => expect(await leadsNowhere(bench, witness)).toBe(true));
      expect(await leadsNowhere(bench, consumed)).toBe(false);
      await channel.cancel(tag);
      await eventually(async () => expect(await leadsNowhere(bench, consumed)).toBe(true));
    });
  });
};

/** Whether a queue is gone; unlike a look at it, a publish does not count as use. */
const leadsNowhere = async (bench: Bench, queue: string): Promise<boolean> => {
  const channel = await bench.channel();
  const returned: string[] = [];
  channel.onReturn(({ routingKey }) => returned.push(routingKey));
  await publish(channel, { routingKey: queue, mandatory: true });
  await channel.close();
  return returned.length > 0;
};
