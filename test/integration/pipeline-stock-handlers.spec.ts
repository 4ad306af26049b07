import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { Processor, type Eqk } from 'nestjs-postage';

import { describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, call, message, rpc, success, useWorld } from './world.js';

const world = useWorld();

/** The queue that an application without processors consumes. */
const ownQueue = (): { queue: string; options: { eqk: Eqk } } => {
  const queue = uniqueName('own');
  return { queue, options: { eqk: byName(queue) } };
};

describe("handlers of Nest's own decorators", () => {
  it('are served through the `eqk` option: parameters for commands, content for the rest', async () => {
    const { queue, options } = ownQueue();
    const seen = new Inbox<unknown>();
    @Processor()
    class Stock {
      @MessagePattern('sum')
      sum({ a, b }: { a: number; b: number }): number {
        return a + b;
      }

      @MessagePattern({ cmd: 'negate' })
      negate(value: number): number {
        return -value;
      }

      @EventPattern({ type: 'status', name: 'online' })
      online(data: unknown): void {
        seen.push(['online', data]);
      }

      @EventPattern({ type: 'metric' })
      metric(data: unknown): void {
        seen.push(['metric', data]);
      }
    }
    await world.receive([Stock], { options });

    expect(await world.resultOf(queue, call('sum', { a: 5, b: 6 }))).toEqual(success(11));
    expect(await world.resultOf(queue, call('negate', 5))).toEqual(success(-5));
    world.send(queue, message('online', { type: 'status', content: { since: 1 } }));
    expect(await seen.take(1)).toEqual([['online', { since: 1 }]]);
    world.send(queue, message('disk', { type: 'metric', content: { free: 2 } }));
    expect(await seen.take(2)).toContainEqual(['metric', { free: 2 }]);
  });

  it('of one event all run, and the one that fails is told apart', async () => {
    const { queue, options } = ownQueue();
    const seen = new Inbox<string>();
    @Processor()
    class Stock {
      @EventPattern({ type: 'status', name: 'online' })
      failing(): never {
        throw new RangeError('broken');
      }

      @EventPattern({ name: 'online', type: 'status' })
      working(): void {
        seen.push('working');
      }
    }
    const { events } = await world.receive([Stock], { options });

    world.send(queue, message('online', { type: 'status' }));

    await seen.take(1);
    const failed = await events.of('handler.failed').take(1);
    expect(failed.map(({ error }) => error instanceof RangeError)).toEqual([true]);
  });

  it('that would both answer one rpc keep the application from starting', async () => {
    const { options } = ownQueue();
    @Processor()
    class Stock {
      @MessagePattern('sum')
      one(): void {}

      @MessagePattern('sum')
      two(): void {}
    }
    await expect(world.receive([Stock], { options })).rejects.toMatchObject({ code: 'DUPLICATE_HANDLER' });
  });

  it('are found by patterns that look like numbers or JSON', async () => {
    const { queue, options } = ownQueue();
    @Processor()
    class Stock {
      @MessagePattern('1.0')
      one(): string {
        return '1.0';
      }

      @MessagePattern('true')
      yes(): string {
        return 'true';
      }
    }
    await world.receive([Stock], { options });

    for (const name of ['1.0', 'true']) expect(await world.resultOf(queue, rpc(name))).toEqual(success(name));
  });
});
