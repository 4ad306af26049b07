import { Ctx } from '@nestjs/microservices';
import { MessageHandler, PostageContext, Processor, Retry, RpcHandler, type Handler } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { DiskFull, headersOf, QUICK, retryQueue, seen, watch, type RunSeen } from './retry-world.js';
import { byName, command, exception, rpc, useWorld } from './world.js';

const world = useWorld();

describe('a handler that always throws', () => {
  it('runs as often as its policy says, waits as its ladder says, and leaves a dead letter that tells all', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const runs = new Inbox<RunSeen>();
    @Processor({ eqk, retry: QUICK })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(@Ctx() context: PostageContext): void {
        runs.push(seen(context));
        throw new DiskFull(`run ${context.attempt}`);
      }
    }
    const { events } = await world.receive([Clumsy]);
    const dead = await watch(world, `${queue}.dead`);
    const sentAtMs = Date.now();

    world.peer.publish(exchange, 'key', command('store', { id: 7 }), {
      contentType: 'application/json',
      persistent: true,
      messageId: 'the-id',
      correlationId: 'the-correlation',
      priority: 3,
      appId: 'the-app',
      type: 'the-type',
      timestamp: 1_700_000_000,
      headers: { mine: 'kept', list: [1, 'two'], 'postage-correlation-id': 'began-it' },
    });

    const [letter] = await dead.take(1);
    expect(runs.items).toMatchObject([
      { attempt: 1, lastError: undefined, firstFailureAt: undefined, exchange, routingKey: 'key' },
      { attempt: 2, lastError: 'DiskFull: run 1', exchange, routingKey: 'key' },
      { attempt: 3, lastError: 'DiskFull: run 2', exchange, routingKey: 'key' },
    ]);
    const [first, second, third] = runs.items;
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(18);
    expect((third?.atMs ?? 0) - (second?.atMs ?? 0)).toBeGreaterThanOrEqual(58);
    expect(JSON.parse(String(letter?.content))).toEqual(command('store', { id: 7 }));
    expect(letter?.properties).toMatchObject({
      contentType: 'application/json',
      deliveryMode: 2,
      messageId: 'the-id',
      correlationId: 'the-correlation',
      priority: 3,
      appId: 'the-app',
      type: 'the-type',
      timestamp: 1_700_000_000,
      expiration: undefined,
    });
    const headers = headersOf(letter);
    expect(headers).toEqual({
      mine: 'kept',
      list: [1, 'two'],
      'postage-correlation-id': 'began-it',
      'postage-retry-attempt': 3,
      'postage-first-failure': expect.any(String),
      'postage-last-error': 'DiskFull: run 3',
      'postage-exchange': exchange,
      'postage-queue': queue,
      'postage-routing-key': 'key',
      'postage-handlers': ['Clumsy.store'],
      'postage-reason': 'failed',
    });
    const firstFailureMs = Date.parse(String(headers['postage-first-failure']));
    expect(firstFailureMs).toBeGreaterThanOrEqual(sentAtMs);
    expect(second?.firstFailureAt?.getTime()).toBe(firstFailureMs);
    expect(third?.firstFailureAt?.getTime()).toBe(firstFailureMs);
    expect(events.of('handler.failed').items).toMatchObject([
      { attempt: 1, next: 'retry', retryInMs: 20, at: { exchange, routingKey: 'key' } },
      { attempt: 2, next: 'retry', retryInMs: 60, at: { exchange, routingKey: 'key' } },
      { attempt: 3, next: 'dead-letter', at: { exchange, routingKey: 'key' } },
    ]);
  });
});

describe('a handler that throws at first', () => {
  it('handles the message in its next run, and nothing is left of it', async () => {
    const { queue, exchange, eqk } = retryQueue();
    const handled = new Inbox<unknown>();
    @Processor({ eqk, retry: QUICK })
    class Moody {
      @MessageHandler('command', 'store')
      store(@Ctx() { attempt, redelivered, content }: PostageContext): void {
        if (attempt === 1) throw new DiskFull();
        handled.push([content, attempt, redelivered]);
      }
    }
    const { app, events } = await world.receive([Moody]);
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1));

    expect(await handled.take(1)).toEqual([[{ parameters: 1 }, 2, false]]);
    await app.close();
    expect(events.of('handler.failed').items).toHaveLength(1);
    expect([dead.items, handled.items.length]).toEqual([[], 1]);
    for (const name of ['', '.retry.20', '.retry.60'])
      expect(await world.leftIn(`${queue}${name}`)).toBeUndefined();
  });

  it('stays on the last step of the ladder, however many attempts there are', async () => {
    const { exchange, eqk } = retryQueue();
    const retry = { attempts: 5, backoffMs: [1, 7], jitter: 0 };
    @Processor({ eqk, retry })
    class Stubborn {
      @MessageHandler('command', 'store')
      store(): void {
        throw new DiskFull();
      }
    }
    const { events } = await world.receive([Stubborn]);

    world.peer.publish(exchange, 'key', command('store', 1));

    const failures = await events.of('handler.failed').take(5);
    expect(failures.map(({ attempt, next, retryInMs }) => [attempt, next, retryInMs])).toEqual([
      [1, 'retry', 1],
      [2, 'retry', 7],
      [3, 'retry', 7],
      [4, 'retry', 7],
      [5, 'dead-letter', undefined],
    ]);
  });

  it('may wait for no time at all', async () => {
    const { exchange, eqk } = retryQueue();
    const runs = new Inbox<number>();
    @Processor({ eqk, retry: { attempts: 3, backoffMs: [0] } })
    class Hasty {
      @MessageHandler('command', 'store')
      store(@Ctx() { attempt }: PostageContext): void {
        runs.push(attempt);
        throw new DiskFull();
      }
    }
    await world.receive([Hasty]);

    world.peer.publish(exchange, 'key', command('store', 1));

    expect(await runs.take(3)).toEqual([1, 2, 3]);
  });
});

describe('a queue with a dead-letter exchange', () => {
  it('gets what is given up, with all that is known of it, from the broker', async () => {
    const { queue, exchange, eqk, dead } = await world.guardedQueue();
    @Processor({ eqk, retry: { ...QUICK, attempts: 2 } })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(@Ctx() { attempt }: PostageContext): void {
        throw new DiskFull(`run ${attempt}`);
      }
    }
    const { events } = await world.receive([Clumsy]);

    world.peer.publish(exchange.name, queue, command('store', 1), { persistent: false });

    const [letter] = await dead.take(1);
    expect(headersOf(letter)).toMatchObject({
      'postage-retry-attempt': 2,
      'postage-last-error': 'DiskFull: run 1',
      'postage-exchange': exchange.name,
      'postage-handlers': ['Clumsy.store'],
    });
    expect(headersOf(letter)['x-death']).toContainEqual(
      expect.objectContaining({ queue, reason: 'rejected', count: 1 }),
    );
    expect(letter?.properties.deliveryMode).toBe(2);
    expect(events.of('handler.failed').items).toMatchObject([{ next: 'retry' }, { next: 'reject' }]);
    expect((await world.vhost.queues()).map(({ name }) => name)).not.toContain(`${queue}.dead`);
  });
});

describe('the policy of a message', () => {
  it('is that of its handler, else of its processor, else of the application, else none', async () => {
    const own = retryQueue();
    const general = retryQueue();
    @Processor({ eqk: own.eqk, retry: { attempts: 3, backoffMs: [3], jitter: 0 } })
    class Particular {
      @Retry({ attempts: 4, backoffMs: [4], jitter: 0 })
      @MessageHandler('command', 'above')
      above(): never {
        throw new DiskFull();
      }

      @MessageHandler('command', 'below')
      @Retry({ attempts: 2, backoffMs: [2], jitter: 0 })
      below(): never {
        throw new DiskFull();
      }

      @Retry(false)
      @MessageHandler('command', 'never')
      never(): never {
        throw new DiskFull();
      }

      @MessageHandler('command', 'processor')
      processor(): never {
        throw new DiskFull();
      }
    }
    @Processor({ eqk: general.eqk })
    class General {
      @MessageHandler('command', 'application')
      application(): never {
        throw new DiskFull();
      }
    }
    @Processor({ eqk: general.eqk, retry: false })
    class Strict {
      @MessageHandler('command', 'strict')
      strict(): never {
        throw new DiskFull();
      }
    }
    const options = { retry: { attempts: 2, backoffMs: [9], jitter: 0 } };
    const { events } = await world.receive([Particular, General, Strict], { options });

    for (const name of ['above', 'below', 'never', 'processor'])
      world.peer.publish(own.exchange, 'key', command(name, 1));
    for (const name of ['application', 'strict'])
      world.peer.publish(general.exchange, 'key', command(name, 1));

    const failures = await events.of('handler.failed').take(4 + 2 + 1 + 3 + 2 + 1);
    const waitsOf = (label: string) =>
      failures.filter(({ handler }) => handler === label).map(({ retryInMs }) => retryInMs);
    const labels = [...new Set(failures.map(({ handler }) => handler))];
    expect(Object.fromEntries(labels.map((label) => [label, waitsOf(label)]))).toEqual({
      'Particular.above': [4, 4, 4, undefined],
      'Particular.below': [2, undefined],
      'Particular.never': [undefined],
      'Particular.processor': [3, 3, undefined],
      'General.application': [9, undefined],
      'Strict.strict': [undefined],
    });
  });

  it('may stand on a handler class', async () => {
    const { queue } = retryQueue();
    @Retry({ attempts: 2, backoffMs: [5], jitter: 0 })
    @MessageHandler('command', 'store')
    class StoreHandler implements Handler {
      call(): never {
        throw new DiskFull();
      }
    }
    const { events } = await world.receive([StoreHandler], { options: { eqk: byName(queue) } });

    world.send(queue, command('store', 1));

    expect(await events.of('handler.failed').take(2)).toMatchObject([
      { handler: 'StoreHandler.call', next: 'retry', retryInMs: 5 },
      { next: 'dead-letter' },
    ]);
  });

  it('is none of the rpcs of its processor: their callers are told, and may call again', async () => {
    const { queue, eqk } = retryQueue();
    let runs = 0;
    @Processor({ eqk, retry: QUICK })
    class Mixed {
      @RpcHandler('command', 'ask')
      ask(): never {
        runs += 1;
        throw new DiskFull('no room');
      }

      @MessageHandler('command', 'store')
      store(): void {}
    }
    const { app, events } = await world.receive([Mixed], { options: { retry: QUICK, deadLetter: true } });
    const dead = await watch(world, `${queue}.dead`);

    expect(await world.resultOf(queue, rpc('ask'))).toEqual(exception('DiskFull', 'no room'));

    await app.close();
    expect(events.of('handler.failed').items).toMatchObject([{ attempt: 1, next: 'answer' }]);
    expect([runs, dead.items]).toEqual([1, []]);
    expect(await world.leftIn(queue)).toBeUndefined();
  });
});
