import { GenericConsumer, MessageHandler, Processor, Requeue, type QueueFlags } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { headersOf, retryQueue, watch } from './retry-world.js';
import { command, useWorld } from './world.js';

const world = useWorld();

const RECONNECT = { reconnect: { initialDelayMs: 20, maxDelayMs: 200 } };
const limited = (deliveryLimit: number): QueueFlags => ({ type: 'quorum', deliveryLimit });

describe('what the delivery limit of a quorum queue gives up', () => {
  it('goes where our dead letters go', async () => {
    const { queue, exchange, eqk } = retryQueue(limited(2));
    const runs = new Inbox<string>();
    @Processor({ eqk, retry: {} })
    class Undecided {
      @MessageHandler('command', 'store')
      store(): never {
        runs.push('run');
        throw new Requeue('not now');
      }
    }
    await world.receive([Undecided]);
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1), { messageId: 'the-id' });

    const [letter] = await dead.take(1, 20_000);
    expect(runs.items).toHaveLength(3);
    expect(letter?.properties.messageId).toBe('the-id');
    expect(headersOf(letter)['x-death']).toMatchObject([{ queue, reason: 'delivery_limit' }]);
  });

  it('is not lost when connections are cut under a handler that runs', async () => {
    const { queue, exchange, eqk } = retryQueue(limited(3));
    const runs = new Inbox<string>();
    @Processor({ eqk, retry: {} })
    class Endless {
      @MessageHandler('command', 'store')
      async store(): Promise<void> {
        runs.push('run');
        await new Promise(() => undefined);
      }
    }
    const proxy = await TcpProxy.to(world.url);
    world.atEnd(() => proxy.close());
    const options = { ...RECONNECT, connection: { url: proxy.url }, drainTimeoutMs: 50 };
    await world.receive([Endless], { options });
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'key', command('store', 1), { messageId: 'the-id' });
    for (const count of [1, 2, 3, 4]) {
      await runs.take(count, 20_000);
      proxy.cut();
    }

    const [letter] = await dead.take(1, 20_000);
    expect(letter?.properties.messageId).toBe('the-id');
  });

  it('does so for a queue that gets another binding at run time', async () => {
    const { queue, exchange, eqk } = retryQueue(limited(2));
    @Processor({ eqk, retry: {} })
    class Undecided {
      @MessageHandler('command', 'store')
      store(): never {
        throw new Requeue('not now');
      }
    }
    const { app } = await world.receive([Undecided]);
    const consumer = app.get(GenericConsumer);
    await consumer.queueBind(world.exchangeOf(exchange), queue, 'other', limited(2));
    const dead = await watch(world, `${queue}.dead`);

    world.peer.publish(exchange, 'other', command('store', 1), { messageId: 'the-id' });

    expect((await dead.take(1, 20_000))[0]?.properties.messageId).toBe('the-id');
  });

  it('is warned of where the queue is not declared here', async () => {
    const { queue, exchange, eqk } = retryQueue(limited(2));
    @Processor({ eqk, retry: { attempts: 2, backoffMs: [20] } })
    class Owner {
      @MessageHandler('command', 'store')
      store(): void {}
    }
    await (await world.receive([Owner])).app.close();
    const passive = { name: queue, flags: limited(2), declare: 'passive' as const };
    @Processor({
      eqk: [[world.exchangeOf(exchange), [[passive, 'key']]]],
      retry: { attempts: 2, backoffMs: [20] },
    })
    class Guest {
      @MessageHandler('command', 'store')
      store(): void {}
    }
    const { events } = await world.receive([Guest]);

    await eventually(() => {
      const texts = events.of('warning').items.map(({ text }) => text);
      expect(texts.filter((text) => text.includes(`"${queue}" is a quorum queue`))).toHaveLength(1);
    });
  });
});
