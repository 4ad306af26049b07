import { describe, expect } from 'vitest';
import { BrokerError, ConnectionError } from '../../../libs/postage/src/errors.js';
import type { ChannelPort, Link } from '../../../libs/postage/src/connection/port.js';
import { eventually } from '../../support/eventually.js';
import { aQueue, contractTest, type Bench } from '../bench.js';
import { addressOf, comesBack, consumeDirectly, DIRECT } from '../direct-replies.js';
import { consume, endOf, publish, textsOf } from '../messages.js';
import { expectRefusal, type Operation } from '../refusals.js';
import type { Subject } from '../subject.js';

type Ending = (channel: ChannelPort, link: Link) => Promise<unknown>;

const ENDINGS: readonly (readonly [string, Ending])[] = [
  ['its channel is closed', (channel) => channel.close()],
  ['its link is closed', (_, link) => link.close()],
  [
    'the broker ends its channel',
    async (channel) => {
      const end = endOf(channel);
      channel.ack(99, false);
      await end;
    },
  ],
];

const noQueue = (name: string) => [404, `NOT_FOUND - no queue '${name}' in vhost '/'`] as const;

const elsewhere = async (bench: Bench): Promise<ChannelPort> => (await bench.link()).openChannel();

export const directReplyAddressesContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('an address of direct replies', () => {
    it('is another one for the next consumer of its channel, which gets nothing that goes to the old one', async ({
      bench,
    }) => {
      const channel = await bench.channel();
      const old = await consumeDirectly(channel);
      await channel.cancel(old.tag);
      const next = await consumeDirectly(channel);
      expect(next.address).not.toBe(old.address);
      const other = await elsewhere(bench);
      await publish(other, { routingKey: old.address, content: 'late' });
      await publish(other, { routingKey: next.address, content: 'in time' });
      expect(textsOf(await next.inbox.take(1))).toEqual(['in time']);
      expect(old.inbox.items).toEqual([]);
    });

    it('stays the same as long as its consumer', async ({ bench }) => {
      const channel = await bench.channel();
      const { address } = await consumeDirectly(channel);
      await channel.cancel('there is no such consumer');
      expect(await addressOf(channel)).toBe(address);
    });

    it('is gone at once when its consumer is cancelled', async ({ bench }) => {
      const channel = await bench.channel();
      const { address, tag, inbox } = await consumeDirectly(channel);
      const other = await elsewhere(bench);
      await channel.cancel(tag);
      expect(await comesBack(other, address)).toBe(true);
      await expectRefusal(other, () => other.checkQueue(address), noQueue(address));
      expect(inbox.items).toEqual([]);
    });

    for (const [when, end] of ENDINGS) {
      it(`is gone when ${when}: what is sent there is dropped, and confirmed`, async ({ bench }) => {
        const link = await bench.link();
        const channel = await link.openChannel();
        const { address, inbox } = await consumeDirectly(channel);
        await end(channel, link);
        const other = await elsewhere(bench);
        expect(await publish(other, { routingKey: address })).toBeUndefined();
        expect(await comesBack(other, address)).toBe(true);
        expect(inbox.items).toEqual([]);
        // RabbitMQ ends a channel some time after it has told the client.
        await eventually(async () => {
          const looking = await elsewhere(bench);
          await expectRefusal(looking, () => looking.checkQueue(address), noQueue(address));
        });
      });
    }
  });

  describe('the name of direct replies', () => {
    it('looks like a queue with a consumer while it lives, also to who declares it', async ({ bench }) => {
      const { address } = await consumeDirectly(await bench.channel());
      const other = await elsewhere(bench);
      for (const queue of [address, DIRECT]) {
        const status = { queue, messageCount: 0, consumerCount: 1 };
        expect(await other.checkQueue(queue)).toEqual(status);
        expect(await other.assertQueue(aQueue({ name: queue, exclusive: true }))).toEqual(status);
      }
    });

    it('that the broker never gave is not found', async ({ bench }) => {
      for (const name of [`${DIRECT}.nobody`, `${DIRECT}nobody`]) {
        for (const ask of [
          (channel) => channel.checkQueue(name),
          (channel) => channel.assertQueue(aQueue({ name })),
        ] satisfies readonly Operation[])
          await expectRefusal(await bench.channel(), ask, noQueue(name));
      }
    });

    it('can neither be consumed nor bound, and is not deleted', async ({ bench }) => {
      const { address, inbox } = await consumeDirectly(await bench.channel());
      const exchange = await bench.exchange('fanout');
      const [consuming, binding] = [await elsewhere(bench), await elsewhere(bench)];
      const bind = () => binding.bindQueue({ exchange, queue: address, key: '', arguments: {} });
      await expectRefusal(consuming, () => consume(consuming, address, { noAck: true }), noQueue(address));
      await expectRefusal(binding, bind, noQueue(address));
      const other = await elsewhere(bench);
      await other.deleteQueue(address);
      await publish(other, { routingKey: address, content: 'still there' });
      expect(textsOf(await inbox.take(1))).toEqual(['still there']);
    });

    it('counts as the queue last declared, for a consumer that names none', async ({ bench }) => {
      const channel = await bench.channel();
      await channel.checkQueue(DIRECT);
      const { inbox } = await consume(channel, '', { noAck: true });
      await publish(channel, { routingKey: await addressOf(channel) });
      expect(textsOf(await inbox.take(1))).toEqual(['text']);
    });

    // RabbitMQ's channel asks itself, and fails.
    it('costs the channel its connection when that asks for its own address', async ({ bench }) => {
      const link = await bench.link();
      const channel = await link.openChannel();
      const { address, tag } = await consumeDirectly(channel);
      await channel.cancel(tag);
      const lost = endOf(link);
      await expect(channel.checkQueue(address)).rejects.toBeInstanceOf(BrokerError);
      expect(await lost).toBeInstanceOf(ConnectionError);
    });
  });
};
