import type { Type } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import {
  MessageHandler,
  PostageContext,
  Processor,
  Reject,
  RetryLater,
  type QueueFlags,
} from 'nestjs-postage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { TEST_BROKERS, type Peer, type TestBroker } from '../support/test-brokers.js';
import { DiskFull, retryQueue, seen, type RunSeen } from './retry-world.js';
import { byName, command, Events } from './world.js';

/** Handles the dead letters of a queue, as an application may. */
const undertaker = (queue: string) => {
  const letters = new Inbox<PostageContext>();
  @Processor({ eqk: byName(queue), deadLetter: false })
  class Undertaker {
    @MessageHandler('command')
    bury(@Ctx() context: PostageContext): void {
      letters.push(context);
    }
  }
  return { Undertaker, letters };
};

describe.each(TEST_BROKERS)('retries on $broker', ({ open }) => {
  let broker: TestBroker;
  let peer: Peer;
  const closers: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    broker = await open();
    peer = await broker.peer();
  });

  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
    await peer.close();
    await broker.close();
  });

  const start = async (controllers: Type[]): Promise<Events> => {
    const events = new Events();
    const { connection } = broker;
    const reconnect = { initialDelayMs: 20, maxDelayMs: 200 };
    const app = await startReceiver({ connection, reconnect, observer: events.observe }, controllers);
    closers.push(() => app.close());
    return events;
  };

  const send = (queue: string, body: object): void =>
    peer.send(queue, Buffer.from(JSON.stringify(body)), {
      contentType: 'application/json',
      messageId: 'the-id',
      deliveryMode: 2,
      headers: { mine: 1 },
    });

  it.each<[what: string, flags: QueueFlags]>([
    ['classic', {}],
    ['quorum', { type: 'quorum' }],
    ['auto-delete', { autoDelete: true }],
    ['exclusive', { exclusive: true }],
  ])('wait in the broker, and end as dead letters (%s queue)', async (_what, flags) => {
    const { queue, eqk } = retryQueue(flags);
    const runs = new Inbox<RunSeen>();
    const retry = { attempts: 3, backoffMs: [20, 60], jitter: 0 };
    const end = `${queue}.end`;
    @Processor({ eqk, retry, deadLetter: { name: end } })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(@Ctx() context: PostageContext): never {
        runs.push(seen(context));
        throw new DiskFull(`run ${context.attempt}`);
      }
    }
    const { Undertaker, letters } = undertaker(end);
    const events = await start([Clumsy, Undertaker]);

    send(queue, command('store', 1));

    const [letter] = await letters.take(1);
    expect(runs.items.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    const [first, second, third] = runs.items.map(({ atMs }) => atMs);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(18);
    expect((third ?? 0) - (second ?? 0)).toBeGreaterThanOrEqual(58);
    expect(letter?.content).toEqual({ parameters: 1 });
    expect(letter?.properties).toMatchObject({ messageId: 'the-id', deliveryMode: 2 });
    expect(letter?.headers).toMatchObject({
      mine: 1,
      'postage-retry-attempt': 3,
      'postage-last-error': 'DiskFull: run 3',
      'postage-handlers': ['Clumsy.store'],
      'postage-reason': 'failed',
    });
    expect(events.of('copy.failed').items).toEqual([]);
    expect((await broker.queues()).filter((name) => name.startsWith(`${queue}.retry`))).toHaveLength(2);
  });

  it('are for those handlers only that have failed, and as these say', async () => {
    const { queue, eqk } = retryQueue();
    const runs = new Inbox<string>();
    @Processor({ eqk })
    class Crowd {
      @MessageHandler('command', 'store')
      fine(): void {
        runs.push('fine');
      }

      @MessageHandler('command', 'store')
      later(@Ctx() { attempt }: PostageContext): void {
        runs.push(`later ${attempt}`);
        if (attempt === 1) throw new RetryLater({ delayMs: 30 });
      }
    }
    await start([Crowd]);

    send(queue, command('store', 1));

    expect((await runs.take(3)).toSorted()).toEqual(['fine', 'later 1', 'later 2']);
    expect(await broker.queues()).toContain(`${queue}.retry-later.30`);
  });

  it('leave nothing behind of a message that is handled at last, also where connections are cut', async () => {
    const { queue, eqk } = retryQueue();
    const handled = new Set<number>();
    const retry = { attempts: 50, backoffMs: [5, 25] };
    @Processor({ eqk, retry })
    class Moody {
      @MessageHandler('command', 'store')
      store(@Ctx() { content }: PostageContext): void {
        if (Math.random() < 0.5) throw new DiskFull();
        handled.add(Number(content['parameters']));
      }
    }
    const events = await start([Moody]);

    for (let id = 0; id < 100; id += 1) {
      send(queue, command('store', id));
      if (id % 40 !== 39) continue;
      const attached = events.of('consumer.attached').items.length;
      broker.cut();
      await events.of('consumer.attached').take(attached + 1, 20_000);
    }

    await eventually(() => expect(handled.size).toBe(100), 20_000);
    await eventually(async () => {
      for (const name of ['', '.retry.5', '.retry.25', '.dead'])
        expect(await peer.waitingIn(`${queue}${name}`)).toBe(0);
    });
  });

  it('are none for what is rejected, or can not be read', async () => {
    const { queue, eqk } = retryQueue();
    @Processor({ eqk, retry: {} })
    class Strict {
      @MessageHandler('command', 'store')
      store(): never {
        throw new Reject('never');
      }
    }
    const events = await start([Strict]);

    send(queue, command('store', 1));
    peer.send(queue, Buffer.from('{"a":'));

    await eventually(async () => expect(await peer.waitingIn(`${queue}.dead`)).toBe(2));
    expect(events.of('handler.failed').items).toMatchObject([{ attempt: 1, next: 'dead-letter' }]);
    expect(events.of('message.malformed').items).toMatchObject([{ next: 'dead-letter' }]);
  });
});
