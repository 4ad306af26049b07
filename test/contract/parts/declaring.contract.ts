import { describe, expect } from 'vitest';
import type { Queue } from '../../../libs/postage/src/topology/types.js';
import { uniqueName } from '../../support/rabbit.js';
import { anExchange, aQueue, contractTest } from '../bench.js';
import { endOf } from '../messages.js';
import { expectRefusal } from '../refusals.js';
import type { Subject } from '../subject.js';

const withArgument = (name: string, value: string | number): Partial<Queue> => ({
  arguments: { [name]: value },
});

const invalid = (argument: string, problem: string): string =>
  `PRECONDITION_FAILED - invalid arg '${argument}' for queue 'NAME' in vhost '/': ${problem}`;

const INVALID_QUEUES: readonly (readonly [queue: Partial<Queue>, text: string])[] = [
  [withArgument('x-message-ttl', -1), invalid('x-message-ttl', '{value_negative,-1}')],
  [withArgument('x-expires', 0), invalid('x-expires', '{value_zero,0}')],
  [withArgument('x-max-length', 'a'), invalid('x-max-length', '"expected integer, got longstr"')],
  [withArgument('x-max-priority', 256), invalid('x-max-priority', '{max_value_exceeded,256}')],
  [withArgument('x-overflow', 'spill'), invalid('x-overflow', 'invalid_overflow')],
  [
    withArgument('x-dead-letter-routing-key', 'k'),
    invalid('x-dead-letter-routing-key', 'routing_key_but_no_dlx_defined'),
  ],
  [
    withArgument('x-dead-letter-exchange', 1),
    "PRECONDITION_FAILED - invalid type 'byte' for arg 'x-dead-letter-exchange' in queue 'NAME' in vhost '/'",
  ],
  [
    { durable: false, arguments: { 'x-queue-type': 'quorum' } },
    "PRECONDITION_FAILED - invalid property 'non-durable' for queue 'NAME' in vhost '/'",
  ],
];

export const declaringContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a declaration', () => {
    it('without a name lets the broker choose one, which nobody else can declare', async ({ bench }) => {
      const channel = await bench.channel();
      const first = await channel.assertQueue(aQueue({ name: '', exclusive: true }));
      const second = await channel.assertQueue(aQueue({ name: '', exclusive: true }));
      expect(first.queue).toMatch(/^amq\.gen-.{10,}$/);
      expect(second.queue).not.toBe(first.queue);
      expect(await channel.checkQueue(first.queue)).toMatchObject({ queue: first.queue, messageCount: 0 });
      const again = channel.assertQueue(aQueue({ name: first.queue, exclusive: true }));
      await expect(again).rejects.toMatchObject({ amqpCode: 403 });
    });

    for (const [properties, text] of INVALID_QUEUES) {
      it(`is refused with ${JSON.stringify(properties)}`, async ({ bench }) => {
        const queue = aQueue(properties);
        const refusal = [406, text.replace('NAME', queue.name)] as const;
        await expectRefusal(await bench.channel(), (channel) => channel.assertQueue(queue), refusal);
      });
    }

    it('of an exchange of an unknown type ends the whole connection', async ({ bench }) => {
      const link = await bench.link();
      const channel = await link.openChannel();
      const end = endOf(link);
      const declared = channel.assertExchange(anExchange('x-no-such-type'));
      await expect(declared).rejects.toMatchObject({ name: 'BrokerError' });
      const error = await end;
      expect(error).toMatchObject({ code: 'CONNECTION_LOST' });
      expect(error?.message).toContain("COMMAND_INVALID - unknown exchange type 'x-no-such-type'");
    });
  });

  describe('deleting', () => {
    it('what is not there is no error', async ({ bench }) => {
      const channel = await bench.channel();
      await channel.deleteQueue(uniqueName('queue'));
      await channel.deleteExchange(uniqueName('exchange'));
      const [queue, nowhere] = [await bench.queue(), uniqueName('nowhere')];
      await channel.unbindQueue({ exchange: 'amq.direct', queue, key: 'k', arguments: {} });
      await channel.unbindQueue({ exchange: nowhere, queue, key: 'k', arguments: {} });
      await channel.unbindQueue({ exchange: 'amq.direct', queue: nowhere, key: 'k', arguments: {} });
      expect(channel.isOpen).toBe(true);
    });

    it('an exchange makes it unknown', async ({ bench }) => {
      const exchange = await bench.exchange('fanout');
      await (await bench.admin()).deleteExchange(exchange);
      const check = (await bench.channel()).checkExchange(exchange);
      await expect(check).rejects.toMatchObject({ amqpCode: 404 });
    });
  });
};
