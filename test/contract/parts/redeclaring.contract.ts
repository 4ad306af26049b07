import { describe, expect } from 'vitest';
import type { AmqpTable, Exchange, Queue } from '../../../libs/postage/src/topology/types.js';
import { anExchange, aQueue, contractTest } from '../bench.js';
import { expectRefusal } from '../refusals.js';
import type { Subject } from '../subject.js';

/** Two declarations of one thing, and what the second is told. */
interface Change<T> {
  readonly first: Partial<T>;
  readonly second: Partial<T>;
  readonly property: string;
  readonly difference: string;
}

const table = (entries: AmqpTable): { readonly arguments: AmqpTable } => ({ arguments: entries });

const QUEUE_CHANGES: readonly Change<Queue>[] = [
  {
    first: { durable: true },
    second: { durable: false },
    property: 'durable',
    difference: "received 'false' but current is 'true'",
  },
  {
    first: {},
    second: { autoDelete: true },
    property: 'auto_delete',
    difference: "received 'true' but current is 'false'",
  },
  {
    first: {},
    second: { durable: false, autoDelete: true },
    property: 'durable',
    difference: "received 'false' but current is 'true'",
  },
  {
    first: table({ 'x-message-ttl': 1 }),
    second: table({ 'x-message-ttl': 2 }),
    property: 'x-message-ttl',
    difference: "received '2' but current is '1'",
  },
  {
    first: {},
    second: table({ 'x-message-ttl': 100 }),
    property: 'x-message-ttl',
    difference: "received the value '100' of type 'byte' but current is none",
  },
  {
    first: {},
    second: table({ 'x-max-length': 1000 }),
    property: 'x-max-length',
    difference: "received the value '1000' of type 'short' but current is none",
  },
  {
    first: {},
    second: table({ 'x-max-length-bytes': 100_000 }),
    property: 'x-max-length-bytes',
    difference: "received the value '100000' of type 'signedint' but current is none",
  },
  {
    first: table({ 'x-expires': 3_000_000_000 }),
    second: {},
    property: 'x-expires',
    difference: "received none but current is the value '3000000000' of type 'long'",
  },
  {
    first: table({ 'x-dead-letter-exchange': 'a' }),
    second: table({ 'x-dead-letter-exchange': 'b' }),
    property: 'x-dead-letter-exchange',
    difference: "received 'b' but current is 'a'",
  },
  {
    first: table({ 'x-dead-letter-exchange': 'a' }),
    second: {},
    property: 'x-dead-letter-exchange',
    difference: "received none but current is the value 'a' of type 'longstr'",
  },
  {
    first: table({ 'x-single-active-consumer': true }),
    second: {},
    property: 'x-single-active-consumer',
    difference: "received none but current is the value 'true' of type 'bool'",
  },
];

const EXCHANGE_CHANGES: readonly Change<Exchange>[] = [
  {
    first: { type: 'direct' },
    second: { type: 'topic' },
    property: 'type',
    difference: "received 'topic' but current is 'direct'",
  },
  {
    first: { durable: true },
    second: { durable: false },
    property: 'durable',
    difference: "received 'false' but current is 'true'",
  },
  {
    first: {},
    second: { autoDelete: true },
    property: 'auto_delete',
    difference: "received 'true' but current is 'false'",
  },
  {
    first: {},
    second: { internal: true },
    property: 'internal',
    difference: "received 'true' but current is 'false'",
  },
  {
    first: {},
    second: table({ 'alternate-exchange': 'a' }),
    property: 'alternate-exchange',
    difference: "received the value 'a' of type 'longstr' but current is none",
  },
];

const inequivalent = (
  entity: string,
  { property, difference }: Change<unknown>,
): readonly [number, string] => [
  406,
  `PRECONDITION_FAILED - inequivalent arg '${property}' for ${entity} in vhost '/': ${difference}`,
];

export const redeclaringContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a second declaration', () => {
    it('is welcome when it is the same, and says how much is in the queue', async ({ bench }) => {
      const properties = table({ 'x-message-ttl': 60_000 });
      const name = await bench.queue(properties);
      await bench.fill(name, 'a', 'b');
      const status = await (await bench.channel()).assertQueue(aQueue({ name, ...properties }));
      expect(status).toMatchObject({ queue: name, messageCount: 2, consumerCount: 0 });
    });

    it('may differ in arguments that the broker does not know', async ({ bench }) => {
      const name = await bench.queue();
      const exchange = await bench.exchange('direct');
      const channel = await bench.channel();
      await channel.assertQueue(aQueue({ name, ...table({ 'x-unknown': 1 }) }));
      await channel.assertExchange(anExchange('direct', { name: exchange, ...table({ 'x-unknown': 1 }) }));
      expect(channel.isOpen).toBe(true);
    });

    it('may say that a queue without a type is a classic one', async ({ bench }) => {
      const name = await bench.queue();
      const again = aQueue({ name, ...table({ 'x-queue-type': 'classic' }) });
      expect(await (await bench.channel()).assertQueue(again)).toMatchObject({ queue: name });
    });

    it('may be of a predeclared exchange', async ({ bench }) => {
      const channel = await bench.channel();
      await channel.assertExchange(anExchange('direct', { name: 'amq.direct' }));
      for (const type of ['direct', 'fanout', 'topic', 'headers', 'match']) {
        await channel.checkExchange(`amq.${type}`);
      }
      expect(channel.isOpen).toBe(true);
    });

    for (const change of QUEUE_CHANGES) {
      it(`of a queue is refused with ${JSON.stringify(change.second)} after ${JSON.stringify(change.first)}`, async ({
        bench,
      }) => {
        const name = await bench.queue(change.first);
        const again = aQueue({ ...change.second, name });
        const refusal = inequivalent(`queue '${name}'`, change);
        await expectRefusal(await bench.channel(), (channel) => channel.assertQueue(again), refusal);
      });
    }

    for (const change of EXCHANGE_CHANGES) {
      it(`of an exchange is refused with ${JSON.stringify(change.second)} after ${JSON.stringify(change.first)}`, async ({
        bench,
      }) => {
        const name = await bench.exchange('direct', change.first);
        const again = anExchange('direct', { ...change.second, name });
        const refusal = inequivalent(`exchange '${name}'`, change);
        await expectRefusal(await bench.channel(), (channel) => channel.assertExchange(again), refusal);
      });
    }
  });
};
