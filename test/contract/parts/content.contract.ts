import { describe, expect } from 'vitest';
import type { MessageProperties } from '../../../libs/postage/src/connection/port.js';
import { contractTest } from '../bench.js';
import { consume, outgoing, publish } from '../messages.js';
import type { Subject } from '../subject.js';

const ALL_PROPERTIES: MessageProperties = {
  contentType: 'application/json',
  contentEncoding: 'utf-8',
  headers: {
    text: 'ü',
    empty: '',
    small: 7,
    negative: -40_000,
    large: 2 ** 52,
    fraction: 1.5,
    yes: true,
    no: false,
    nothing: null,
    list: [1, 'two', [3], { four: 4 }],
    table: { inner: { deep: 'x' } },
    bytes: Buffer.from([0, 255]),
    when: { '!': 'timestamp', value: 1_700_000_000 },
  },
  deliveryMode: 2,
  priority: 3,
  correlationId: 'correlation',
  replyTo: 'reply',
  expiration: '600000',
  messageId: 'message',
  timestamp: 1_700_000_001,
  type: 'kind',
  userId: 'guest',
  appId: 'app',
};

export const contentContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a published message', () => {
    it('arrives with all its properties and its bytes', async ({ bench }) => {
      const queue = await bench.queue();
      const content = Buffer.from([0, 1, 2, 255, 254]);
      await publish(await bench.channel(), { routingKey: queue, content, properties: ALL_PROPERTIES });
      const [delivery] = await bench.drain(queue);
      expect(delivery?.properties).toMatchObject(ALL_PROPERTIES);
      expect(delivery?.content.equals(content)).toBe(true);
      expect(delivery).toMatchObject({ exchange: '', routingKey: queue, redelivered: false });
    });

    it('without properties arrives without any', async ({ bench }) => {
      const queue = await bench.queue();
      await publish(await bench.channel(), { routingKey: queue, content: '' });
      const [delivery] = await bench.drain(queue);
      const { headers, ...others } = delivery?.properties ?? {};
      expect(headers).toEqual({});
      expect(Object.values(others).filter((value) => value !== undefined)).toEqual([]);
      expect(delivery?.content).toHaveLength(0);
    });

    it('leaves out headers that are undefined', async ({ bench }) => {
      const queue = await bench.queue();
      await publish(await bench.channel(), {
        routingKey: queue,
        properties: { headers: { a: undefined, b: 1 } },
      });
      const [delivery] = await bench.drain(queue);
      expect(Object.keys(delivery?.properties.headers ?? {})).toEqual(['b']);
    });

    it('may be large', async ({ bench }) => {
      const queue = await bench.queue();
      const content = Buffer.alloc(1_500_000, 'postage');
      await publish(await bench.channel(), { routingKey: queue, content });
      const [delivery] = await bench.drain(queue);
      expect(delivery?.content.equals(content)).toBe(true);
    });

    it('does not change with what publisher or consumer do to their copies', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const headers = { list: [1], table: { a: 1 } };
      const message = outgoing({ routingKey: queue, content: 'before', properties: { headers } });
      const confirmed = new Promise((resolve) => channel.publish(message, resolve));
      await confirmed;
      message.content.write('after!');
      headers.list.push(2);
      headers.table.a = 2;
      const { inbox } = await consume(channel, queue);
      const [first] = await inbox.take(1);
      expect(first?.content.toString()).toBe('before');
      first?.content.write('spoilt');
      Object.assign(first?.properties.headers?.['table'] ?? {}, { a: 3 });
      channel.reject(first?.deliveryTag ?? 0, true);
      const [, second] = await inbox.take(2);
      expect(second?.content.toString()).toBe('before');
      expect(second?.properties.headers).toEqual({ list: [1], table: { a: 1 } });
    });

    it('of a type that AMQP does not know is refused at once, and costs nothing else', async ({ bench }) => {
      const queue = await bench.queue();
      const channel = await bench.channel();
      const wrong: readonly (readonly [properties: object, error: RegExp])[] = [
        [{ headers: { a: () => 1 } }, /Unknown type to encode: function/],
        [{ headers: { a: 1n } }, /Unknown type to encode: bigint/],
        [{ headers: { a: Number.NaN } }, /NaN is no number of AMQP/],
        [{ headers: { a: [{ b: Infinity }] } }, /Infinity is no number of AMQP/],
        [{ messageId: 7 }, /Field 'messageId' is the wrong type/],
        [{ correlationId: 'x'.repeat(256) }, /Field 'correlationId' is the wrong type/],
        [{ priority: 'high' }, /Field 'priority' is the wrong type/],
      ];
      for (const [properties, error] of wrong) {
        const message = outgoing({ routingKey: queue, properties });
        expect(() => channel.publish(message, () => undefined)).toThrow(error);
      }
      expect(await publish(channel, { routingKey: queue })).toBeUndefined();
      expect(await bench.status(queue)).toMatchObject({ messageCount: 1 });
    });
  });
};
