import { describe, expect } from 'vitest';
import type { AmqpTable, ExchangeType } from '../../../libs/postage/src/topology/types.js';
import { contractTest, type Bench } from '../bench.js';
import { publish, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';
import { HEADERS_TABLE, TOPIC_KEYS, TOPIC_TABLE } from './routing-tables.js';

interface Sample {
  readonly label: string;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, unknown>>;
}

/** Binds one queue per pattern, publishes every sample, and tells which of them each queue got. */
const routeAll = async (
  bench: Bench,
  exchange: string,
  { bindings, samples }: { bindings: readonly (readonly [string, AmqpTable])[]; samples: readonly Sample[] },
): Promise<string[][]> => {
  const queues: string[] = [];
  for (const [key, table] of bindings) {
    const queue = await bench.queue({ exclusive: true });
    await bench.bind(exchange, queue, key, table);
    queues.push(queue);
  }
  const channel = await bench.channel();
  const posted = samples.map(({ label, key = '', headers = {} }) =>
    publish(channel, { exchange, routingKey: key, content: label, properties: { headers } }),
  );
  expect(await Promise.all(posted)).toEqual(samples.map(() => undefined));
  return Promise.all(queues.map(async (queue) => textsOf(await bench.drain(queue))));
};

const keys = (...all: readonly string[]): Sample[] => all.map((key) => ({ label: `<${key}>`, key }));

export const routingContract = (subject: Subject): void => {
  const it = contractTest(subject);

  const route = async (
    bench: Bench,
    type: ExchangeType,
    patterns: readonly string[],
    samples: readonly Sample[],
  ) =>
    routeAll(bench, await bench.exchange(type), {
      bindings: patterns.map((key) => [key, {}] as const),
      samples,
    });

  describe('the default exchange', () => {
    it('leads to the queue that has the key for its name', async ({ bench }) => {
      const [first, second] = [await bench.queue(), await bench.queue()];
      await bench.fill(first, 'a');
      expect(await bench.status(first)).toMatchObject({ messageCount: 1 });
      expect(await bench.status(second)).toMatchObject({ messageCount: 0 });
    });
  });

  describe('a direct exchange', () => {
    it('takes keys literally', async ({ bench }) => {
      const got = await route(
        bench,
        'direct',
        ['a', '', 'a.b', '#', '*'],
        keys('a', '', 'a.b', 'A', '#', 'a.'),
      );
      expect(got).toEqual([['<a>'], ['<>'], ['<a.b>'], ['<#>'], []]);
    });

    it('delivers once to a queue that is bound twice, and to each of several queues', async ({ bench }) => {
      const exchange = await bench.exchange('direct');
      const [one, two] = [await bench.queue(), await bench.queue()];
      await bench.bind(exchange, one, 'k');
      await bench.bind(exchange, one, 'k');
      await bench.bind(exchange, one, 'k', { different: true });
      await bench.bind(exchange, two, 'k');
      await publish(await bench.channel(), { exchange, routingKey: 'k' });
      expect(await bench.status(one)).toMatchObject({ messageCount: 1 });
      expect(await bench.status(two)).toMatchObject({ messageCount: 1 });
    });

    it('forgets a binding, and only that one', async ({ bench }) => {
      const exchange = await bench.exchange('direct');
      const queue = await bench.queue();
      await bench.bind(exchange, queue, 'a');
      await bench.bind(exchange, queue, 'b');
      const channel = await bench.channel();
      await channel.unbindQueue({ exchange, queue, key: 'a', arguments: {} });
      for (const key of ['a', 'b']) await publish(channel, { exchange, routingKey: key, content: key });
      expect(textsOf(await bench.drain(queue))).toEqual(['b']);
    });

    it('forgets a binding that was made twice when it is taken away once', async ({ bench }) => {
      const exchange = await bench.exchange('direct');
      const queue = await bench.queue();
      for (let round = 0; round < 2; round += 1) await bench.bind(exchange, queue, 'a');
      const channel = await bench.channel();
      await channel.unbindQueue({ exchange, queue, key: 'a', arguments: {} });
      await publish(channel, { exchange, routingKey: 'a' });
      expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
    });

    it('keeps a binding that has other arguments than the one taken away', async ({ bench }) => {
      const exchange = await bench.exchange('direct');
      const queue = await bench.queue();
      await bench.bind(exchange, queue, 'a', { version: 1 });
      const channel = await bench.channel();
      await channel.unbindQueue({ exchange, queue, key: 'a', arguments: { version: 2 } });
      await publish(channel, { exchange, routingKey: 'a' });
      expect(await bench.status(queue)).toMatchObject({ messageCount: 1 });
    });
  });

  describe('a fanout exchange', () => {
    it('ignores keys', async ({ bench }) => {
      const got = await route(bench, 'fanout', ['', 'a'], keys('', 'a', 'b.c'));
      expect(got).toEqual([
        ['<>', '<a>', '<b.c>'],
        ['<>', '<a>', '<b.c>'],
      ]);
    });
  });

  describe('a topic exchange', () => {
    it('matches keys as the table says', async ({ bench }) => {
      const patterns = Object.keys(TOPIC_TABLE);
      const samples = TOPIC_KEYS.map((key) => ({ label: key, key }));
      const got = await route(bench, 'topic', patterns, samples);
      expect(Object.fromEntries(patterns.map((pattern, index) => [pattern, got[index]]))).toEqual(
        TOPIC_TABLE,
      );
    });

    it('delivers once to a queue that several patterns lead to', async ({ bench }) => {
      const exchange = await bench.exchange('topic');
      const queue = await bench.queue();
      for (const pattern of ['a.b', 'a.*', '*.b', '#', 'a.#', '#.b.#'])
        await bench.bind(exchange, queue, pattern);
      const channel = await bench.channel();
      await publish(channel, { exchange, routingKey: 'a.b' });
      expect(await bench.status(queue)).toMatchObject({ messageCount: 1 });
    });

    it('forgets a pattern, and only that one', async ({ bench }) => {
      const exchange = await bench.exchange('topic');
      const queue = await bench.queue();
      for (const pattern of ['a.#', 'a.*.c']) await bench.bind(exchange, queue, pattern);
      const channel = await bench.channel();
      await channel.unbindQueue({ exchange, queue, key: 'a.#', arguments: {} });
      for (const key of ['a', 'a.b', 'a.b.c'])
        await publish(channel, { exchange, routingKey: key, content: key });
      expect(textsOf(await bench.drain(queue))).toEqual(['a.b.c']);
    });
  });

  describe('a headers exchange', () => {
    for (const { pattern, matching, other } of HEADERS_TABLE) {
      it(`with ${JSON.stringify(pattern)} takes ${matching.length} of ${matching.length + other.length} samples`, async ({
        bench,
      }) => {
        const samples = [...matching, ...other].map((headers) => ({
          label: JSON.stringify(headers),
          headers,
        }));
        const [got] = await routeAll(bench, await bench.exchange('headers'), {
          bindings: [['ignored', pattern]],
          samples,
        });
        expect(got).toEqual(matching.map((headers) => JSON.stringify(headers)));
      });
    }
  });
};
