import { describe, expect } from 'vitest';
import { contractTest } from '../bench.js';
import { cemetery, deathsOf, exhume, queueDyingTo } from '../dead-letters.js';
import { consume, textsOf } from '../messages.js';
import type { Subject } from '../subject.js';

export const deadLetterCirclesContract = (subject: Subject): void => {
  const it = contractTest(subject);

  describe('a circle of dead letters', () => {
    it('goes on while somebody rejects', async ({ bench }) => {
      const channel = await bench.channel();
      const loop = await bench.exchange('fanout');
      const worker = await queueDyingTo(bench, loop);
      const pause = await bench.queue({
        arguments: { 'x-message-ttl': 20, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': worker },
      });
      await bench.bind(loop, pause);
      await bench.fill(worker, 'a');
      const { inbox } = await consume(channel, worker);
      for (let round = 1; round <= 3; round += 1) {
        const delivery = (await inbox.take(round)).at(-1);
        channel.reject(delivery?.deliveryTag ?? 0, false);
      }
      const last = (await inbox.take(4)).at(-1);
      expect(deathsOf(last)).toMatchObject([
        { queue: pause, reason: 'expired', count: 3 },
        { queue: worker, reason: 'rejected', count: 3 },
      ]);
    });

    it('is broken when nobody does', async ({ bench }) => {
      const loop = await bench.exchange('fanout');
      const first = await bench.queue({ arguments: { 'x-message-ttl': 20, 'x-dead-letter-exchange': loop } });
      const { exchange: end, grave } = await cemetery(bench);
      const second = await bench.queue({
        arguments: { 'x-message-ttl': 60, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': first },
      });
      await bench.bind(loop, second);
      const witness = await bench.queue({
        arguments: { 'x-message-ttl': 300, 'x-dead-letter-exchange': end },
      });
      await bench.fill(first, 'a');
      await bench.fill(witness, 'witness');
      expect(textsOf(await exhume(bench, grave))).toEqual(['witness']);
      for (const queue of [first, second])
        expect(await bench.status(queue)).toMatchObject({ messageCount: 0 });
    });
  });
};
