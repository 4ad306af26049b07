import { describe, expect } from 'vitest';
import type { PublishFailure, ReturnedMessage } from '../../../libs/postage/src/connection/port.js';
import { contractTest } from '../bench.js';
import { endOf, outgoing, publish } from '../messages.js';
import type { Subject } from '../subject.js';

export const publishingContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a confirm', () => {
    it('comes later than the call, and in the order of publishing', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const confirmed: number[] = [];
      const all = Array.from(
        { length: 50 },
        (_, index) =>
          new Promise<void>((resolve) => {
            channel.publish(outgoing({ routingKey: queue, content: String(index) }), (failure) => {
              expect(failure).toBeUndefined();
              confirmed.push(index);
              resolve();
            });
          }),
      );
      expect(confirmed).toEqual([]);
      await Promise.all(all);
      expect(confirmed).toEqual(Array.from({ length: 50 }, (_, index) => index));
      expect(await bench.status(queue)).toMatchObject({ messageCount: 50 });
    });

    it('of a message that no queue takes comes as well', async ({ bench }) => {
      const exchange = await bench.exchange('direct');
      expect(await publish(await bench.channel(), { exchange, routingKey: 'nobody' })).toBeUndefined();
    });

    it('is not lost when a listener throws', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const first = new Promise<void>((resolve) => {
        channel.publish(outgoing({ routingKey: queue }), () => {
          resolve();
          throw new Error('thrown by a listener on purpose');
        });
      });
      await first;
      expect(await publish(channel, { routingKey: queue })).toBeUndefined();
      expect(channel.isOpen).toBe(true);
    });
  });

  describe('messages of all sizes', () => {
    const SIZES = [10, 300_000, 20, 16_384, 131_072, 5_000, 0, 1_100_000, 30];
    const contents = SIZES.map((size, index) => Buffer.alloc(size, index + 1));

    it('arrive in their order, though the link is closed in the same turn', async ({ bench }) => {
      const queue = await bench.queue();
      const link = await bench.link();
      const channel = await link.openChannel();
      for (const content of contents)
        channel.publish(outgoing({ routingKey: queue, content }), () => undefined);
      await link.close();
      const arrived = await bench.drain(queue);
      expect(arrived.map(({ content }) => content.length)).toEqual(SIZES);
      expect(arrived.every(({ content }, index) => contents[index]?.equals(content))).toBe(true);
    });
  });

  describe('a mandatory message', () => {
    it('that no queue takes is returned, and then confirmed', async ({ bench }) => {
      const exchange = await bench.exchange('direct');
      const channel = await bench.channel();
      const events: (ReturnedMessage | PublishFailure | undefined)[] = [];
      channel.onReturn((message) => events.push(message));
      const properties = { messageId: 'm', headers: { a: 1 } };
      events.push(await publish(channel, { exchange, routingKey: 'nobody', mandatory: true, properties }));
      expect(events).toEqual([
        {
          exchange,
          routingKey: 'nobody',
          replyCode: 312,
          replyText: 'NO_ROUTE',
          properties: expect.objectContaining(properties),
        },
        undefined,
      ]);
    });

    it('is returned before its own confirm, one by one', async ({ bench }) => {
      const channel = await bench.channel();
      const queue = await bench.queue();
      const events: string[] = [];
      channel.onReturn(({ properties }) => events.push(`return ${properties.messageId}`));
      const post = async (messageId: string, routingKey: string): Promise<void> => {
        await new Promise<void>((resolve) => {
          channel.publish(outgoing({ routingKey, mandatory: true, properties: { messageId } }), () => {
            events.push(`confirm ${messageId}`);
            resolve();
          });
        });
      };
      await Promise.all([post('1', 'nobody'), post('2', queue), post('3', 'nobody'), post('4', queue)]);
      for (const id of ['1', '3'])
        expect(events.indexOf(`return ${id}`)).toBeLessThan(events.indexOf(`confirm ${id}`));
      expect(events.toSorted()).toEqual([
        'confirm 1',
        'confirm 2',
        'confirm 3',
        'confirm 4',
        'return 1',
        'return 3',
      ]);
    });

    it('that a queue takes is not returned, nor is one that is not mandatory', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const returned: ReturnedMessage[] = [];
      channel.onReturn((message) => returned.push(message));
      await publish(channel, { routingKey: queue, mandatory: true });
      await publish(channel, { routingKey: 'nobody', mandatory: false });
      expect(returned).toEqual([]);
    });
  });

  describe('publishing', () => {
    it('to an exchange that is not there closes the channel and fails what it has not confirmed', async ({
      bench,
    }) => {
      const channel = await bench.channel();
      const end = endOf(channel);
      const published = [1, 2].map(() => publish(channel, { exchange: 'no such exchange' }));
      const error = await end;
      expect(error).toMatchObject({ name: 'BrokerError', amqpCode: 404 });
      expect(error?.message).toMatch(/^NOT_FOUND - no exchange 'no such exchange' in vhost '/);
      for (const failure of await Promise.all(published))
        expect(failure).toEqual({ kind: 'channel-lost', cause: error });
    });

    it('to an internal exchange closes the channel', async ({ bench }) => {
      const exchange = await bench.exchange('fanout', { internal: true });
      const channel = await bench.channel();
      const end = endOf(channel);
      expect(await publish(channel, { exchange })).toMatchObject({ kind: 'channel-lost' });
      const text = expect.stringMatching(
        `^ACCESS_REFUSED - cannot publish to internal exchange '${exchange}' in vhost '`,
      );
      expect(await end).toMatchObject({ amqpCode: 403, message: text });
    });

    for (const [expiration, problem] of [
      ['soon', 'no_integer'],
      ['10s', '{leftover_string,"s"}'],
      ['-1', '{value_negative,-1}'],
    ] as const) {
      it(`with the expiration "${expiration}" closes the channel`, async ({ bench }) => {
        const queue = await bench.queue();
        const channel = await bench.channel();
        const end = endOf(channel);
        expect(await publish(channel, { routingKey: queue, properties: { expiration } })).toMatchObject({
          kind: 'channel-lost',
        });
        expect(await end).toMatchObject({
          amqpCode: 406,
          message: `PRECONDITION_FAILED - invalid expiration '${expiration}': ${problem}`,
        });
      });
    }
  });
};
