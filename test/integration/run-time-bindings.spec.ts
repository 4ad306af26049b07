import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  defineExchange,
  GenericConsumer,
  MessageHandler,
  Parameters,
  PostageContext,
  Processor,
  TopologyError,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { command, useWorld, type ReceiverSetup, sorted } from './world.js';

const world = useWorld();
const RECONNECT = { initialDelayMs: 300, maxDelayMs: 300 };

type Heard = readonly [queue: string, key: string, parameters: unknown];

/** An application with one queue of its own, whose handlers hear everything. */
const listener = async (setup: Pick<ReceiverSetup, 'extra'> = {}) => {
  const exchange = world.exchange('topic');
  const queue = uniqueName('first');
  const heard = new Inbox<Heard>();
  @Processor({ eqk: [[exchange, [[{ name: queue, flags: { exclusive: true } }, 'start']]]] })
  class Listener {
    @MessageHandler('command', 'go')
    go(@Parameters() parameters: unknown, @Ctx() { queue: from, routingKey }: PostageContext): void {
      heard.push([from, routingKey, parameters]);
    }
  }
  const receiver = await world.receive([Listener], { options: { reconnect: RECONNECT }, ...setup });
  const consumer = receiver.app.get(GenericConsumer);
  /** Resolves once the broker has routed it. */
  const publish = async (key: string, parameters: unknown): Promise<void> => {
    world.peer.publish(exchange.name, key, command('go', parameters));
    await world.peer.channel.checkExchange(exchange.name);
  };
  /** Everything back in place after a forced reconnect. */
  const reconnect = async (): Promise<void> => {
    const ready = receiver.events.of('connection.ready');
    const before = ready.items.filter(({ role }) => role === 'consume').length;
    await world.cut(receiver.events);
    const isBack = (): boolean => ready.items.filter(({ role }) => role === 'consume').length > before;
    for (let seen = ready.items.length; !isBack(); seen += 1) await ready.take(seen + 1);
  };
  return { exchange, queue, heard, consumer, publish, reconnect, ...receiver };
};

describe('queueBind at run time', () => {
  it('gives a consumed queue one more key, which a reconnect keeps', async () => {
    const { exchange, queue, heard, consumer, publish, reconnect } = await listener();

    await consumer.queueBind(exchange, queue, 'more');
    await publish('more', 1);
    expect(await heard.take(1)).toEqual([[queue, 'more', 1]]);

    await reconnect();
    await publish('more', 2);
    await publish('start', 3);
    expect(await heard.take(3)).toEqual([
      [queue, 'more', 1],
      [queue, 'more', 2],
      [queue, 'start', 3],
    ]);
  });

  it('declares and consumes a new queue with its flags, which a reconnect keeps', async () => {
    const { exchange, heard, consumer, publish, reconnect } = await listener();
    const queue = uniqueName('second');

    await consumer.queueBind(exchange, queue, 'other', { exclusive: true, maxLength: 9 });
    await publish('other', 1);
    expect(await heard.take(1)).toEqual([[queue, 'other', 1]]);
    expect(consumer.snapshot).toMatchObject([{ attached: true }, { queue, attached: true }]);
    const declared = { name: queue, exclusive: true, arguments: { 'x-max-length': 9 } };
    expect(await world.vhost.queues()).toContainEqual(expect.objectContaining(declared));

    await reconnect();
    await publish('other', 2);
    expect(await heard.take(2)).toContainEqual([queue, 'other', 2]);
  });

  it('of one new queue by several keys at once makes one consumer', async () => {
    const { exchange, heard, consumer, publish } = await listener();
    const queue = uniqueName('third');

    await Promise.all(['a', 'b', 'c'].map((key) => consumer.queueBind(exchange, queue, key)));

    for (const key of ['a', 'b', 'c']) await publish(key, key);
    expect(await heard.take(3)).toEqual(['a', 'b', 'c'].map((key) => [queue, key, key]));
    expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ consumerCount: 1 });
  });

  it('while there is no connection waits for the next one', async () => {
    const { exchange, queue, heard, consumer, publish, events } = await listener();

    const cut = world.cut(events);
    await events.of('connection.lost').take(1);
    const bound = consumer.queueBind(exchange, queue, 'late');
    await Promise.all([cut, bound]);

    await publish('late', 1);
    expect(await heard.take(1)).toEqual([[queue, 'late', 1]]);
  });

  it('of an exchange that the broker has in another shape fails, and does not come back with the next connection', async () => {
    const { queue, heard, consumer, publish, reconnect } = await listener();
    const wrong = world.exchange('fanout');
    await world.peer.channel.assertExchange(wrong.name, 'direct');

    const bound = consumer.queueBind(wrong, queue, '');
    await expect(bound).rejects.toBeInstanceOf(TopologyError);
    await expect(bound).rejects.toMatchObject({ argument: 'type', wanted: 'fanout', actual: 'direct' });

    await reconnect();
    await publish('start', 1);
    expect(await heard.take(1)).toEqual([[queue, 'start', 1]]);
  });

  it('of a consumed queue with other flags is refused', async () => {
    const { exchange, queue, consumer } = await listener();
    await expect(consumer.queueBind(exchange, queue, 'x', { exclusive: false })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
    });
    await expect(consumer.queueBind(exchange, queue, 'x', { exclusive: true })).resolves.toBeUndefined();
  });

  it('takes binding arguments, as headers exchanges want them', async () => {
    const { queue, heard, consumer } = await listener();
    const headers = world.exchange('headers');

    await consumer.queueBind(headers, queue, '', undefined, { 'x-match': 'all', tenant: 'eu' });
    world.peer.publish(headers.name, '', command('go', 'us'), { headers: { tenant: 'us' } });
    world.peer.publish(headers.name, '', command('go', 'eu'), { headers: { tenant: 'eu' } });

    expect(await heard.take(1)).toEqual([[queue, '', 'eu']]);
  });

  it('that the broker refuses, or that contradicts itself, fails by name, changes nothing, and can be put right', async () => {
    const { exchange, queue, heard, consumer, publish } = await listener();
    const other = defineExchange({ name: exchange.name, type: 'direct' });
    const taken = uniqueName('taken');
    await world.peer.channel.assertQueue(taken, { durable: false });

    await expect(consumer.queueBind(other, queue, 'x')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(exchange.name) as string,
    });
    await expect(consumer.queueBind(exchange, taken, 'x')).rejects.toMatchObject({
      argument: 'durable',
      amqpCode: 406,
    });
    await consumer.queueBind(exchange, taken, 'x', { durable: false });

    await publish('start', 1);
    await publish('x', 2);
    expect(sorted(await heard.take(2))).toEqual(
      sorted([
        [queue, 'start', 1],
        [taken, 'x', 2],
      ]),
    );
  });

  it('before the start is in place when the application listens', async () => {
    const exchange = world.exchange('topic');
    const queue = uniqueName('early');
    @Injectable()
    class Early implements OnModuleInit {
      constructor(readonly consumer: GenericConsumer) {}

      async onModuleInit(): Promise<void> {
        await this.consumer.queueBind(exchange, queue, 'early', { exclusive: true });
      }
    }
    const { heard } = await listener({ extra: { providers: [Early] } });

    world.peer.publish(exchange.name, 'early', command('go', 1));

    expect(await heard.take(1)).toEqual([[queue, 'early', 1]]);
  });
});

describe('queueUnbind at run time', () => {
  it('takes a key away, from a reconnect too, and leaves the others', async () => {
    const { exchange, queue, heard, consumer, publish, reconnect } = await listener();
    await consumer.queueBind(exchange, queue, 'more');

    await consumer.queueUnbind(exchange, queue, 'start');
    await publish('start', 1);
    await publish('more', 2);
    expect(await heard.take(1)).toEqual([[queue, 'more', 2]]);

    await reconnect();
    await publish('start', 3);
    await publish('more', 4);
    expect(await heard.take(2)).toEqual([
      [queue, 'more', 2],
      [queue, 'more', 4],
    ]);
  });

  it('while there is no connection takes effect with the next one, on a queue that outlives connections too', async () => {
    const { exchange, heard, consumer, publish, events } = await listener();
    const durable = uniqueName('durable');
    await consumer.queueBind(exchange, durable, 'a');
    await consumer.queueBind(exchange, durable, 'b');

    const cut = world.cut(events);
    await events.of('connection.lost').take(1);
    const unbound = consumer.queueUnbind(exchange, durable, 'a');
    await Promise.all([cut, unbound]);

    await publish('a', 1);
    await publish('b', 2);
    expect(await heard.take(1)).toEqual([[durable, 'b', 2]]);
  });

  it('and binding again works as often as wanted', async () => {
    const { exchange, queue, heard, consumer, publish } = await listener();

    for (const round of [1, 2, 3]) {
      await consumer.queueUnbind(exchange, queue, 'start');
      await publish('start', 'lost');
      await consumer.queueBind(exchange, queue, 'start');
      await publish('start', round);
    }

    expect((await heard.take(3)).map(([, , parameters]) => parameters)).toEqual([1, 2, 3]);
  });

  it('ends with the consumer: one that is closing binds nothing any more', async () => {
    const { queue, consumer } = await listener();
    await consumer.drain();
    await expect(consumer.queueBind(world.exchange('direct'), queue, 'late')).rejects.toMatchObject({
      code: 'CONNECTION_CLOSED',
    });
  });

  it('of a binding with arguments names them', async () => {
    const { queue, heard, consumer } = await listener();
    const headers = world.exchange('headers');
    await consumer.queueBind(headers, queue, '', undefined, { 'x-match': 'all', tenant: 'eu' });
    await consumer.queueBind(headers, queue, '', undefined, { 'x-match': 'all', tenant: 'us' });

    await consumer.queueUnbind(headers, queue, '', undefined, { 'x-match': 'all', tenant: 'eu' });
    for (const tenant of ['eu', 'us'])
      world.peer.publish(headers.name, '', command('go', tenant), { headers: { tenant } });

    expect(await heard.take(1)).toEqual([[queue, '', 'us']]);
  });

  it('of a queue that is not consumed is refused, and names those that are', async () => {
    const { exchange, queue, consumer } = await listener();
    await expect(consumer.queueUnbind(exchange, 'elsewhere', 'x')).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(queue) as string,
    });
  });
});
