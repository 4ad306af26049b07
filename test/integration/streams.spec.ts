import type { INestMicroservice } from '@nestjs/common';
import {
  DEFAULT_EXCHANGE,
  GenericConsumer,
  MessageHandler,
  Parameters,
  Processor,
  Reject,
  Requeue,
  RetryLater,
  type DeclareMode,
  type Eqk,
  type ProcessorOptions,
} from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { numbers } from './pause-world.js';
import { command, useWorld, type Events } from './world.js';

const LIMIT_MS = 20_000;
const FAILURES = {
  'that throws': () => new Error('boom'),
  'that throws Reject': () => new Reject('no'),
  'that throws Requeue': () => new Requeue('again'),
  'that throws RetryLater': () => new RetryLater({ delayMs: 10 }),
};
const KNOWN = { type: 'stream' } as const;

/** Streams keep what they have: the broker refuses reject and nack with 540, which ends the connection. */
describe('a stream', () => {
  const world = useWorld();

  const eqkOf = (queue: string, declare: DeclareMode = 'assert', flags: { type?: 'stream' } = KNOWN): Eqk => [
    [DEFAULT_EXCHANGE, [[{ name: queue, flags, declare }, queue]]],
  ];

  /** Handles numbers: the first one fails with what it is given, and `held` wait for the test. */
  const start = async (options: ProcessorOptions, fail: () => unknown = () => undefined) => {
    const handled = new Inbox<number>();
    const held = new Map<number, Promise<void>>();
    @Processor(options)
    class Reader {
      @MessageHandler('command', 'go')
      async go(@Parameters() id: number): Promise<void> {
        handled.push(id);
        const error = fail();
        if (id === 1 && error !== undefined) throw error;
        await held.get(id);
      }
    }
    const { app, events } = await world.receive([Reader], {
      options: { reconnect: { initialDelayMs: 20, maxDelayMs: 200 } },
    });
    return { app, events, handled, held, consumer: app.get(GenericConsumer) };
  };

  const send = (queue: string, ...ids: readonly number[]): void => {
    for (const id of ids) world.send(queue, command('go', id));
  };

  const declareStream = async (queue: string): Promise<void> => {
    await world.peer.channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'stream' } });
  };

  /** Closing writes what is to be written of the messages. */
  const closeUnharmed = async (app: INestMicroservice, events: Events): Promise<void> => {
    await app.close();
    for (const kind of ['connection.lost', 'consumer.lost', 'internal.failure'] as const)
      expect(events.of(kind).items).toEqual([]);
  };

  describe.each(Object.entries(FAILURES))('with a handler %s', (_, failure) => {
    it('goes on with the next message, and costs no connection', async () => {
      const queue = uniqueName('stream');
      const { app, events, handled } = await start({ eqk: eqkOf(queue), prefetch: 1 }, failure);
      send(queue, 1, 2, 3);
      expect(await handled.take(3, LIMIT_MS)).toEqual([1, 2, 3]);
      expect(events.of('handler.failed').items.map(({ next }) => next)).toEqual(['reject']);
      await closeUnharmed(app, events);
    });
  });

  it.each(['passive', 'assume'] as const)('that is %s is known by what comes out of it', async (declare) => {
    const queue = uniqueName('stream');
    await declareStream(queue);
    const options = { eqk: eqkOf(queue, declare, {}), prefetch: 1 };
    const { app, events, handled, consumer } = await start(options, FAILURES['that throws']);
    send(queue, 1, 2);
    await handled.take(2, LIMIT_MS);
    await consumer.pause(queue);
    send(queue, 3, 4);
    await consumer.resume(queue);
    expect(await handled.take(4, LIMIT_MS)).toEqual([1, 2, 3, 4]);
    await closeUnharmed(app, events);
  });

  it('that is passive, and paused before anything came, tells what it is without harm', async () => {
    const queue = uniqueName('stream');
    await declareStream(queue);
    const { app, events, handled, consumer } = await start({ eqk: eqkOf(queue, 'passive', {}) });
    const other = await start({ eqk: eqkOf(queue) });
    await consumer.pause(queue);
    send(queue, 1, 2);
    await other.handled.take(2, LIMIT_MS);
    expect(handled.items).toEqual([]);
    await consumer.resume(queue);
    send(queue, 3);
    await eventually(() => expect(handled.items.at(-1)).toBe(3));
    await app.close();
    // It was refused a consumer such as classic queues need, once.
    expect(events.of('consumer.lost').items.length).toBeLessThanOrEqual(1);
    expect([...events.of('connection.lost').items, ...events.of('internal.failure').items]).toEqual([]);
  });

  it('with messages that can not be read goes on, and costs no connection', async () => {
    const queue = uniqueName('stream');
    const { app, events, handled } = await start({ eqk: eqkOf(queue), prefetch: 1 });
    for (const body of ['{"a":', 'no json', Buffer.from([0xff])]) world.send(queue, body);
    send(queue, 1);
    await handled.take(1, LIMIT_MS);
    expect(events.of('message.malformed').items.map(({ next }) => next)).toEqual(Array(3).fill('reject'));
    await closeUnharmed(app, events);
  });

  it('leaves dead letters where it has a queue for them', async () => {
    const queue = uniqueName('stream');
    const options = { eqk: eqkOf(queue), prefetch: 1, deadLetter: true };
    const { app, events, handled } = await start(options, FAILURES['that throws Requeue']);
    world.send(queue, 'no json');
    send(queue, 1, 2);
    await handled.take(2, LIMIT_MS);
    const dead = `${queue}.dead`;
    await eventually(async () => expect((await world.peer.channel.checkQueue(dead)).messageCount).toBe(2));
    expect(await world.leftIn(dead)).toBe('no json');
    expect(JSON.parse((await world.leftIn(dead)) ?? '')).toMatchObject({ content: { parameters: 1 } });
    await closeUnharmed(app, events);
  });

  it('with a retry policy is refused at the start', async () => {
    const started = start({ eqk: eqkOf(uniqueName('stream')), retry: { attempts: 3 } });
    await expect(started).rejects.toMatchObject({ code: 'INVALID_OPTION', option: 'retry' });
  });

  it('that is paused and resumed again and again misses nothing, and repeats nothing', async () => {
    const queue = uniqueName('stream');
    const { app, events, handled, held, consumer } = await start({ eqk: eqkOf(queue), prefetch: 2 });
    let end = (): void => undefined;
    held.set(2, new Promise((resolve) => (end = resolve)));
    send(queue, ...numbers(20));
    await handled.take(2, LIMIT_MS);
    for (let round = 0; round < 4; round += 1) {
      await consumer.pause(queue);
      send(queue, ...numbers(5, 21 + 5 * round));
      await consumer.resume(queue);
    }
    end();
    await handled.take(40, LIMIT_MS);
    await consumer.pause(queue);
    send(queue, 41);
    await consumer.resume(queue);
    expect(await handled.take(41, LIMIT_MS)).toEqual(numbers(41));
    await closeUnharmed(app, events);
  });

  it('goes on after a lost connection with the first message that was not done with', async () => {
    const queue = uniqueName('stream');
    const { app, events, handled, held, consumer } = await start({ eqk: eqkOf(queue), prefetch: 3 });
    let end = (): void => undefined;
    held.set(3, new Promise((resolve) => (end = resolve)));
    send(queue, ...numbers(3));
    await handled.take(3, LIMIT_MS);
    await eventually(() => expect(consumer.snapshot).toMatchObject([{ inFlight: 1 }]));
    await world.cut(events);
    send(queue, 4);
    expect(await handled.take(5, LIMIT_MS)).toEqual([1, 2, 3, 3, 4]);
    end();
    await app.close();
    expect(events.of('internal.failure').items).toEqual([]);
  });

  it('is drained without harm: what has not started stays in it, as everything does', async () => {
    const queue = uniqueName('stream');
    const { app, events, handled, held } = await start({ eqk: eqkOf(queue), prefetch: 2 });
    const ends: (() => void)[] = [];
    for (const id of [1, 2]) held.set(id, new Promise((resolve) => ends.push(resolve)));
    send(queue, ...numbers(10));
    await handled.take(2, LIMIT_MS);
    const closed = closeUnharmed(app, events);
    for (const end of ends) end();
    await closed;
    expect(handled.items).toEqual([1, 2]);
    await eventually(async () => expect((await world.peer.channel.checkQueue(queue)).messageCount).toBe(10));
  });
});
