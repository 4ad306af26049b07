import { describe, expect } from 'vitest';
import type { ReturnedMessage } from '../../../libs/postage/src/connection/port.js';
import { contractTest } from '../bench.js';
import { queueDyingTo, rejectFrom } from '../dead-letters.js';
import { consumeDirectly, DIRECT } from '../direct-replies.js';
import { consume, endOf, publish, textsOf } from '../messages.js';
import { expectRefusal } from '../refusals.js';
import type { Subject } from '../subject.js';

const NO_CONSUMER = 'PRECONDITION_FAILED - fast reply consumer does not exist';
const NO_ACKS = 'PRECONDITION_FAILED - reply consumer cannot acknowledge';
const TAKEN = 'PRECONDITION_FAILED - reply consumer already set';
const TEXTS = Array.from({ length: 20 }, (_, index) => String(index));

export const directReplyToContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a consumer of direct replies', () => {
    it('needs no declaration, and is one for each channel', async ({ bench }) => {
      const link = await bench.link();
      const [one, two] = [await link.openChannel(), await link.openChannel()];
      const [first, second] = [await consumeDirectly(one), await consumeDirectly(two)];
      expect(first.address).not.toBe(second.address);
      await publish(one, { routingKey: second.address, content: 'to the second' });
      await publish(two, { routingKey: first.address, content: 'to the first' });
      expect(textsOf(await first.inbox.take(1))).toEqual(['to the first']);
      expect(textsOf(await second.inbox.take(1))).toEqual(['to the second']);
    });

    it('is refused when it wants to ack', async ({ bench }) => {
      const channel = await bench.channel();
      await expectRefusal(channel, () => consume(channel, DIRECT), [406, NO_ACKS]);
    });

    for (const [noAck, text] of [
      [true, TAKEN],
      [false, NO_ACKS],
    ] as const) {
      it(`is refused to a channel that has one, ${noAck ? 'without' : 'with'} acks`, async ({ bench }) => {
        const channel = await bench.channel();
        await consume(channel, DIRECT, { noAck: true });
        await expectRefusal(channel, () => consume(channel, DIRECT, { noAck }), [406, text]);
      });
    }
  });

  describe('asking for direct replies', () => {
    it('puts the address of the channel into the message, wherever that goes', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const { address } = await consumeDirectly(channel);
      expect(address).toMatch(/^amq\.rabbitmq\.reply-to\.[^ ]{20,}$/);
      const properties = { replyTo: DIRECT, correlationId: 'c', headers: { a: 1 } };
      await publish(channel, { routingKey: queue, properties });
      const [request] = await bench.drain(queue);
      expect(request?.properties).toMatchObject({ ...properties, replyTo: address });
    });

    it('leaves any other address alone', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const { address } = await consumeDirectly(await bench.channel());
      for (const replyTo of [address, `${DIRECT}.nobody`, queue])
        await publish(channel, { routingKey: queue, properties: { replyTo } });
      const requests = await bench.drain(queue);
      expect(requests.map(({ properties }) => properties.replyTo)).toEqual([
        address,
        `${DIRECT}.nobody`,
        queue,
      ]);
    });

    it('is refused to a channel without a consumer of them, though its neighbour has one', async ({
      bench,
    }) => {
      await consumeDirectly(await bench.channel());
      const queue = await bench.queue();
      const channel = await bench.channel();
      const end = endOf(channel);
      const published = publish(channel, { routingKey: queue, properties: { replyTo: DIRECT } });
      expect(await published).toMatchObject({ kind: 'channel-lost' });
      expect(await end).toMatchObject({ name: 'BrokerError', amqpCode: 406, message: NO_CONSUMER });
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
    });

    it('is refused once that consumer is cancelled', async ({ bench }) => {
      const channel = await bench.channel();
      const { tag } = await consumeDirectly(channel);
      await channel.cancel(tag);
      const end = endOf(channel);
      await publish(channel, { properties: { replyTo: DIRECT } });
      expect(await end).toMatchObject({ amqpCode: 406, message: NO_CONSUMER });
    });
  });

  describe('a direct reply', () => {
    it('without any properties comes from another link, as it was sent', async ({ bench }) => {
      const { inbox, address } = await consumeDirectly(await bench.channel());
      const other = await (await bench.link()).openChannel();
      for (const content of TEXTS) void publish(other, { routingKey: address, content, properties: {} });
      const replies = await inbox.take(TEXTS.length);
      expect(textsOf(replies)).toEqual(TEXTS);
      expect(replies[0]).toEqual({
        deliveryTag: 1,
        redelivered: false,
        exchange: '',
        routingKey: address,
        content: Buffer.from('0'),
        properties: { headers: {} },
      });
    });

    it('keeps its properties, and does not expire', async ({ bench }) => {
      const channel = await bench.channel();
      const { inbox, address } = await consumeDirectly(channel);
      const properties = { replyTo: 'r', correlationId: 'c', expiration: '0', headers: { a: [1] } };
      await publish(channel, { routingKey: address, properties });
      expect((await inbox.take(1))[0]?.properties).toMatchObject(properties);
    });

    it('bears the next delivery tag of its channel and does not use it up', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const direct = await consumeDirectly(channel);
      const ordinary = await consume(channel, queue);
      const tags: number[] = [];
      for (const [{ inbox }, routingKey, count] of [
        [direct, direct.address, 1],
        [direct, direct.address, 2],
        [ordinary, queue, 1],
        [direct, direct.address, 3],
        [ordinary, queue, 2],
      ] as const) {
        await publish(channel, { routingKey });
        tags.push((await inbox.take(count)).at(-1)?.deliveryTag ?? NaN);
      }
      expect(tags).toEqual([1, 1, 1, 2, 2]);
      channel.ack(2, true);
      await channel.checkQueue(queue);
    });

    it('counts as unroutable: a mandatory one is delivered, returned and confirmed', async ({ bench }) => {
      const { inbox, address } = await consumeDirectly(await bench.channel());
      const other = await (await bench.link()).openChannel();
      const returned: ReturnedMessage[] = [];
      other.onReturn((message) => returned.push(message));
      expect(await publish(other, { routingKey: address, mandatory: true })).toBeUndefined();
      expect(returned).toMatchObject([
        { exchange: '', routingKey: address, replyCode: 312, replyText: 'NO_ROUTE' },
      ]);
      expect(textsOf(await inbox.take(1))).toEqual(['text']);
    });

    it('goes by CC and BCC as well, once to each address, under its routing key', async ({ bench }) => {
      const channel = await bench.channel();
      const { inbox, address } = await consumeDirectly(channel);
      const routingKey = 'nowhere';
      await publish(channel, { routingKey, properties: { headers: { CC: [address] } } });
      await publish(channel, { routingKey, properties: { headers: { BCC: [address, address] } } });
      await publish(channel, { routingKey: address, properties: { headers: { CC: [address] } } });
      await publish(channel, { routingKey: address, content: 'last' });
      const replies = await inbox.take(4);
      expect(replies.map((each) => each.routingKey)).toEqual([routingKey, routingKey, address, address]);
      expect(textsOf(replies).at(-1)).toBe('last');
    });

    it('goes by no exchange but the default one', async ({ bench }) => {
      const exchange = await bench.exchange('direct');
      const channel = await bench.channel();
      const { inbox, address } = await consumeDirectly(channel);
      await publish(channel, { exchange, routingKey: address, content: 'astray' });
      await publish(channel, { routingKey: address, content: 'right' });
      expect(textsOf(await inbox.take(1))).toEqual(['right']);
    });

    it('may be a dead letter', async ({ bench }) => {
      const { inbox, address } = await consumeDirectly(await bench.channel());
      const queue = await queueDyingTo(bench, '', { 'x-dead-letter-routing-key': address });
      await bench.fill(queue, 'dead');
      await rejectFrom(await bench.channel(), queue);
      const [letter] = await inbox.take(1);
      expect(letter).toMatchObject({ exchange: '', routingKey: address, content: Buffer.from('dead') });
      expect(letter?.properties.headers).toMatchObject({ 'x-first-death-queue': queue });
    });
  });
};
