import { Ctx } from '@nestjs/microservices';
import type { ConsumeMessage } from 'amqplib';
import {
  MessageHandler,
  PostageContext,
  Processor,
  Reject,
  Requeue,
  RetryLater,
  type RetryPolicy,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { DiskFull, headersOf, QUICK, retryQueue, watch, type RetryQueue } from './retry-world.js';
import { command, useWorld, type Receiver } from './world.js';

const world = useWorld();

interface Failing extends RetryQueue, Receiver {
  readonly runs: Inbox<PostageContext>;
  readonly dead: Inbox<ConsumeMessage>;
}

/** An application whose only handler always fails. */
const failing = async (
  { eqk, ...names }: RetryQueue,
  retry: RetryPolicy | false = QUICK,
  error: () => Error = () => new DiskFull('no room'),
): Promise<Failing> => {
  const runs = new Inbox<PostageContext>();
  @Processor({ eqk, retry, deadLetter: true })
  class Clumsy {
    @MessageHandler('command', 'store')
    store(@Ctx() context: PostageContext): never {
      runs.push(context);
      throw error();
    }
  }
  const receiver = await world.receive([Clumsy]);
  const dead = await watch(world, `${names.queue}.dead`);
  return { ...receiver, ...names, eqk, runs, dead };
};

describe('a message with a time to live', () => {
  it('is not tried again when its time is over before its turn', async () => {
    const slow = { attempts: 9, backoffMs: [50, 60_000], jitter: 0 };
    const { exchange, events, dead } = await failing(retryQueue(), slow);

    world.peer.publish(exchange, 'key', command('store', 1), { expiration: '20000' });

    const [letter] = await dead.take(1);
    expect(headersOf(letter)).toMatchObject({ 'postage-retry-attempt': 2, 'postage-reason': 'failed' });
    expect(headersOf(letter)).not.toHaveProperty('postage-deadline');
    expect(letter?.properties.expiration).toBeUndefined();
    expect(events.of('handler.failed').items).toMatchObject([{ next: 'retry' }, { next: 'dead-letter' }]);
  });

  it('is not handled when its turn comes too late', async () => {
    const names = retryQueue();
    const { app, exchange, queue, events, dead, runs } = await failing(names, {
      attempts: 9,
      backoffMs: [1_500],
      jitter: 0,
    });
    world.peer.publish(exchange, 'key', command('store', 1), { expiration: '2000' });
    await events.of('handler.failed').take(1);
    const overAtMs = performance.now() + 2_000;
    await app.close();
    // Nobody is there when it comes back; the broker has forgotten that it was to expire.
    await eventually(async () => {
      expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 1 });
      expect(performance.now()).toBeGreaterThan(overAtMs);
    });

    const again = await failing(names);

    expect((await again.events.of('retry.expired').take(1))[0]).toMatchObject({
      attempt: 2,
      next: 'dead-letter',
      at: { queue, exchange, routingKey: 'key' },
      message: { name: 'store' },
    });
    expect([again.runs.items.length, runs.items.length]).toEqual([0, 1]);
    // Both of them read the same queue.
    const letters = await eventually(() => {
      const all = [...dead.items, ...again.dead.items];
      expect(all).toHaveLength(1);
      return all;
    });
    expect(letters.map(headersOf)).toMatchObject([{ 'postage-last-error': 'DiskFull: no room' }]);
  });
});

describe('what the broker might misunderstand', () => {
  it('(a record that it went round in a circle) does not get a message lost', async () => {
    const { exchange, queue, dead } = await failing(retryQueue());
    const death = { queue, reason: 'expired', count: 1, exchange: '', 'routing-keys': ['a'] };

    world.peer.publish(exchange, 'key', command('store', 1), {
      headers: { 'x-death': [death], 'x-first-death-queue': queue },
    });

    expect(headersOf((await dead.take(1))[0])).toMatchObject({ 'postage-retry-attempt': 3 });
  });

  it('(further addressees) get no copy of a copy', async () => {
    const { exchange, dead } = await failing(retryQueue());
    const bystander = uniqueName('bystander');
    await world.peer.channel.assertQueue(bystander, { autoDelete: true });
    // At once: it would expire there as soon as it does where it waits.
    const seen = await watch(world, bystander);

    world.peer.publish(exchange, 'key', command('store', 1), { CC: [bystander] });

    await dead.take(1);
    world.send(bystander, 'mark');
    expect((await seen.take(1)).map(({ content }) => content.toString())).toEqual(['mark']);
  });

  it('(the name of its sender) is left out', async () => {
    const { exchange, dead, runs } = await failing(retryQueue());

    world.peer.publish(exchange, 'key', command('store', 1), { userId: 'guest' });

    const [letter] = await dead.take(1);
    expect(letter?.properties.userId).toBeUndefined();
    expect(runs.items.map(({ properties }) => properties.userId)).toEqual(['guest', undefined, undefined]);
  });

  it('(headers that are nearly too long) are given up before the message is', async () => {
    const { exchange, dead, events } = await failing(retryQueue());

    world.peer.publish(exchange, 'key', command('store', 1), {
      messageId: 'kept',
      persistent: true,
      headers: { huge: 'x'.repeat(65_450) },
    });

    const [letter] = await dead.take(1);
    expect(headersOf(letter)).not.toHaveProperty('huge');
    expect(headersOf(letter)).toMatchObject({ 'postage-retry-attempt': 3 });
    expect(letter?.properties).toMatchObject({ messageId: 'kept', deliveryMode: 2 });
    expect(events.of('copy.failed').items).toEqual([]);
  });
});

describe('messages with the same message id', () => {
  it('are all tried again, though their wait queues have been deleted', async () => {
    const { exchange, queue, dead, app } = await failing(retryQueue());
    for (const wait of [20, 60]) await world.peer.channel.deleteQueue(`${queue}.retry.${wait}`);

    for (let index = 0; index < 30; index += 1) {
      const options = index % 3 === 0 ? {} : { messageId: 'the-same' };
      world.peer.publish(exchange, 'key', command('store', index), options);
    }

    const letters = await dead.take(30);
    expect(letters.map(headersOf)).toEqual(
      letters.map(() => expect.objectContaining({ 'postage-retry-attempt': 3 })),
    );
    await app.close();
    expect(dead.items).toHaveLength(30);
    expect(new Set(letters.map(({ content }) => content.toString())).size).toBe(30);
  });
});

describe('a wait queue that somebody deletes', () => {
  it('is made anew when it is needed', async () => {
    const { exchange, queue, events, dead } = await failing(retryQueue());
    await world.peer.channel.deleteQueue(`${queue}.retry.20`);
    await world.peer.channel.deleteQueue(`${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1));

    await events.of('handler.failed').take(3);
    await eventually(async () => {
      const names = (await world.vhost.queues()).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining([`${queue}.retry.20`, `${queue}.dead`]));
    });
    const again = await watch(world, `${queue}.dead`);
    expect([...dead.items, ...(await again.take(1 - dead.items.length))].map(headersOf)).toMatchObject([
      { 'postage-retry-attempt': 3 },
    ]);
    expect(events.of('copy.failed').items).toEqual([]);
  });
});

describe('the delivery limit of a quorum queue', () => {
  const limited = async (flags = {}): Promise<RetryQueue & { readonly limit: Inbox<ConsumeMessage> }> => {
    const deadLetterExchange = uniqueName('dlx');
    await world.peer.channel.assertExchange(deadLetterExchange, 'fanout');
    const limit = await world.peer.listen(deadLetterExchange, '');
    return { ...retryQueue({ type: 'quorum', deliveryLimit: 2, deadLetterExchange, ...flags }), limit };
  };

  it('ends what is given back again and again', async () => {
    const { limit, ...names } = await limited();
    const { exchange, queue, runs, events, dead } = await failing(names, QUICK, () => new Requeue());

    world.peer.publish(exchange, 'key', command('store', 1));

    const [letter] = await limit.take(1);
    expect(headersOf(letter)['x-death']).toMatchObject([{ queue, reason: 'delivery_limit', count: 1 }]);
    expect(runs.items.map(({ delivery }) => delivery.properties.headers?.['x-delivery-count'])).toEqual([
      undefined,
      1,
      2,
    ]);
    expect(events.of('handler.failed').items.map(({ next }) => next)).toEqual(Array(3).fill('requeue'));
    expect(dead.items).toEqual([]);
  });

  it('counts for each copy anew, and does not stand in the way of the policy', async () => {
    const { limit, ...names } = await limited();
    const { exchange, runs, dead } = await failing(names, { attempts: 6, backoffMs: [5] });

    world.peer.publish(exchange, 'key', command('store', 1));

    expect(headersOf((await dead.take(1))[0])).toMatchObject({ 'postage-retry-attempt': 6 });
    expect([runs.items.length, limit.items]).toEqual([6, []]);
    expect(headersOf(dead.items[0])).not.toHaveProperty('x-delivery-count');
  });
});

describe('a dead letter', () => {
  it('tells why it is one', async () => {
    const errors = [
      new Reject('never'),
      new RetryLater({ reason: 'busy', delayMs: 1 }),
      new DiskFull('no room'),
    ];
    for (const error of errors) {
      const { exchange, dead } = await failing(retryQueue(), { attempts: 1 }, () => error);
      world.peer.publish(exchange, 'key', command('store', 1));
      expect(headersOf((await dead.take(1))[0])).toMatchObject({
        'postage-reason': error instanceof Reject ? 'rejected' : 'failed',
        'postage-last-error': `${error.constructor.name}: ${error.message}`,
      });
    }
  });

  it('never holds a stack, and not more than 1,000 characters of an error', async () => {
    const error = new DiskFull('x'.repeat(3_000));
    const { exchange, dead } = await failing(retryQueue(), QUICK, () => error);

    world.peer.publish(exchange, 'key', command('store', 1));

    const [letter] = await dead.take(1);
    expect(headersOf(letter)['postage-last-error']).toBe(`DiskFull: ${'x'.repeat(990)}`);
    expect(JSON.stringify(headersOf(letter))).not.toMatch(/retry-messages|node_modules|\bat /);
  });
});
