import type { ConsumeMessage } from 'amqplib';
import { MessageHandler, Processor, RpcHandler } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { command, exception, PEER, resultOf, rpc, useWorld } from './world.js';

const world = useWorld();

class DiskFull extends Error {}

describe('a message whose handler throws', () => {
  it('is rejected without requeue, reported with all that tells where it came from, and dead-lettered', async () => {
    const { queue, eqk, dead } = await world.guardedQueue();
    let runs = 0;
    @Processor({ eqk })
    class Clumsy {
      @MessageHandler('command', 'store')
      store(): void {
        runs += 1;
        throw new DiskFull('no room');
      }
    }
    const { app, events } = await world.receive([Clumsy]);

    world.send(queue, command('store', { id: 1 }));

    const [letter] = await dead.take(1);
    expect(letter?.properties.headers?.['x-death']).toMatchObject([{ reason: 'rejected', queue, count: 1 }]);
    expect(JSON.parse(String(letter?.content))).toEqual(command('store', { id: 1 }));
    const { items } = events.of('handler.failed');
    expect(items).toMatchObject([
      {
        handler: 'Clumsy.store',
        at: { queue, routingKey: queue },
        message: { category: 'message', type: 'command', name: 'store', fingerprint: PEER },
      },
    ]);
    expect(items[0]?.error).toBeInstanceOf(DiskFull);
    await app.close();
    expect(runs).toBe(1);
    expect(await world.leftIn(queue)).toBeUndefined();
  });
});

describe('an rpc whose handler throws', () => {
  it('is answered with an exception result without any stack, then acked', async () => {
    const { queue, eqk, dead } = await world.guardedQueue();
    @Processor({ eqk })
    class Clumsy {
      @RpcHandler('command', 'store')
      async store(): Promise<never> {
        await Promise.resolve();
        throw new DiskFull('no room', { cause: new Error('the secret cause') });
      }
    }
    const { app, events } = await world.receive([Clumsy]);

    const [reply] = await (await world.ask(queue, rpc('store'))).take(1);

    expect(resultOf(reply as ConsumeMessage)).toEqual(exception('DiskFull', 'no room'));
    expect(reply?.content.toString()).not.toMatch(/outcomes\.spec|node_modules|\bat \w|stack|secret/);
    expect(events.of('handler.failed').items).toMatchObject([
      { handler: 'Clumsy.store', message: { fingerprint: PEER } },
    ]);
    await app.close();
    expect(await world.leftIn(queue)).toBeUndefined();
    expect(await world.firstDeadLetter({ queue, dead })).toBe('mark');
  });
});
