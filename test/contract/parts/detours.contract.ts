import { describe, expect } from 'vitest';
import { contractTest } from '../bench.js';
import { publish, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

export const detoursContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a predeclared exchange', () => {
    for (const [name, key, table] of [
      ['amq.direct', 'k', {}],
      ['amq.fanout', '', {}],
      ['amq.topic', 'k.#', {}],
      ['amq.headers', '', { a: 1 }],
      ['amq.match', '', { a: 1 }],
    ] as const) {
      it(`${name} routes`, async ({ bench }) => {
        const queue = await bench.queue();
        await bench.bind(name, queue, key, table);
        await publish(await bench.channel(), {
          exchange: name,
          routingKey: 'k',
          properties: { headers: { a: 1 } },
        });
        expect(await bench.status(queue)).toMatchObject({ messageCount: 1 });
      });
    }
  });

  describe('the header CC', () => {
    it('adds keys that the receiver sees, and BCC adds some that it does not', async ({ bench }) => {
      const queues = [await bench.queue(), await bench.queue(), await bench.queue()] as const;
      const headers = { CC: [queues[1]], BCC: [queues[2]] };
      await publish(await bench.channel(), { routingKey: queues[0], properties: { headers } });
      for (const queue of queues) {
        const [delivery] = await bench.drain(queue);
        expect(delivery).toMatchObject({
          routingKey: queues[0],
          properties: { headers: { CC: [queues[1]] } },
        });
        expect(delivery?.properties.headers).not.toHaveProperty('BCC');
      }
    });
  });

  describe('an alternate exchange', () => {
    it('gets what its exchange has no queue for, and nothing else', async ({ bench }) => {
      const last = await bench.exchange('fanout');
      const middle = await bench.exchange('direct', { arguments: { 'alternate-exchange': last } });
      const first = await bench.exchange('direct', { arguments: { 'alternate-exchange': middle } });
      const [direct, spare] = [await bench.queue(), await bench.queue()];
      await bench.bind(first, direct, 'known');
      await bench.bind(last, spare);
      const channel = await bench.channel();
      for (const key of ['known', 'unknown']) {
        await publish(channel, { exchange: first, routingKey: key, content: key, mandatory: true });
      }
      expect(textsOf(await bench.drain(direct))).toEqual(['known']);
      const [spared] = await bench.drain(spare);
      expect(spared).toMatchObject({ exchange: first, routingKey: 'unknown' });
    });

    it('may be missing, or lead back, without harm', async ({ bench }) => {
      const missing = await bench.exchange('direct', {
        arguments: { 'alternate-exchange': 'nowhere at all' },
      });
      const circle = await bench.exchange('direct', {
        name: `${missing}-circle`,
        arguments: { 'alternate-exchange': `${missing}-circle` },
      });
      const channel = await bench.channel();
      for (const exchange of [missing, circle]) expect(await publish(channel, { exchange })).toBeUndefined();
      expect(channel.isOpen).toBe(true);
    });
  });
};
