import { Module, type DynamicModule, type Type } from '@nestjs/common';
import { MessageHandler, Parameters, Processor, RpcHandler, type Eqk } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { byName, command, message, rpc, useWorld, sorted } from './world.js';

const world = useWorld();

/** Counts how many run at once, and holds them until the test lets them go. */
class Meter {
  running = 0;
  most = 0;
  readonly started = new Inbox<unknown>();
  readonly ended = new Inbox<unknown>();
  #open = false;
  #waiting: (() => void)[] = [];

  async run(id: unknown): Promise<void> {
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    this.started.push(id);
    if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    // A turn of the event loop, so that deliveries that are there overlap.
    await new Promise((resolve) => setImmediate(resolve));
    this.running -= 1;
    this.ended.push(id);
  }

  open(): void {
    this.#open = true;
    for (const go of this.#waiting.splice(0)) go();
  }
}

const metered = (eqk: Eqk, prefetch?: number): { meter: Meter; processor: Type } => {
  const meter = new Meter();
  @Processor({ eqk, prefetch })
  class Metered {
    @MessageHandler('command', 'work')
    work(@Parameters() id: number): Promise<void> {
      return meter.run(id);
    }
  }
  return { meter, processor: Metered };
};

const sendMany = (queue: string, count: number): number[] => {
  const ids = Array.from({ length: count }, (_, index) => index);
  for (const id of ids) world.send(queue, command('work', id));
  return ids;
};

describe('five handlers on one queue', () => {
  it('each get exactly their own of 1,000 shuffled messages, from one consumer', async () => {
    const queue = uniqueName('five');
    const got = new Inbox<string>();
    @Processor({ eqk: byName(queue) })
    class Five {
      @MessageHandler('command', 'a')
      a(@Parameters() id: number): void {
        got.push(`command a ${id}`);
      }

      @MessageHandler('command', 'b')
      b(@Parameters() id: number): void {
        got.push(`command b ${id}`);
      }

      @MessageHandler('status', 'a')
      statusA(@Parameters() id: number): void {
        got.push(`status a ${id}`);
      }

      @MessageHandler('commanda', '')
      joined(@Parameters() id: number): void {
        got.push(`commanda  ${id}`);
      }

      @MessageHandler('metric')
      metric(@Parameters() id: number): void {
        got.push(`metric any ${id}`);
      }
    }
    await world.receive([Five]);
    const kinds = [
      ['command', 'a'],
      ['command', 'b'],
      ['status', 'a'],
      ['commanda', ''],
      ['metric', 'any'],
    ] as const;
    const sent = Array.from(
      { length: 1_000 },
      (_, id) => [...(kinds[(id * 7 + Math.floor(id / 3)) % 5] ?? kinds[0]), id] as const,
    );

    for (const [type, name, id] of sent)
      world.send(queue, message(name, { type, content: { parameters: id } }));

    const all = await got.take(1_000);
    expect(sorted(all)).toEqual(sorted(sent.map((parts) => parts.join(' '))));
    expect(new Set(sent.map(([type, name]) => `${type} ${name}`)).size).toBe(5);
    expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 0, consumerCount: 1 });
    expect(got.items).toHaveLength(1_000);
  });
});

describe('the prefetch of a processor', () => {
  it('of 1 runs one message at a time, in order', async () => {
    const queue = uniqueName('one');
    const { meter, processor } = metered(byName(queue), 1);
    const { events } = await world.receive([processor], { options: { prefetch: 50 } });
    meter.open();

    const ids = sendMany(queue, 100);

    expect(await meter.ended.take(100)).toEqual(ids);
    expect(meter.most).toBe(1);
    expect(events.of('consumer.attached').items).toMatchObject([{ queue, prefetch: 1 }]);
  });

  it('is 32 by default: so many run, the others wait at the broker', async () => {
    const queue = uniqueName('default');
    const { meter, processor } = metered(byName(queue));
    await world.receive([processor]);

    sendMany(queue, 50);

    await meter.started.take(32);
    await eventually(async () =>
      expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 18 }),
    );
    expect(meter.running).toBe(32);
    meter.open();
    await meter.ended.take(50);
    expect(meter.most).toBe(32);
  });

  it('is that of the module where it has none of its own', async () => {
    const queue = uniqueName('module');
    const { meter, processor } = metered(byName(queue));
    await world.receive([processor], { options: { prefetch: 3 } });

    sendMany(queue, 10);

    await meter.started.take(3);
    await eventually(async () =>
      expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 7 }),
    );
    meter.open();
    await meter.ended.take(10);
    expect(meter.most).toBe(3);
  });

  it("counts on the server's own queues too", async () => {
    const queue = uniqueName('own');
    const { meter, processor } = metered([], 1);
    await world.receive([processor], { options: { eqk: byName(queue) } });
    meter.open();

    const ids = sendMany(queue, 20);

    expect(await meter.ended.take(20)).toEqual(ids);
    expect(meter.most).toBe(1);
  });

  it('of one queue does not hold up another one', async () => {
    const [slowQueue, fastQueue] = [uniqueName('slow'), uniqueName('fast')];
    const slow = metered(byName(slowQueue), 1);
    const fast = metered(byName(fastQueue), 1);
    await world.receive([slow.processor, fast.processor]);
    fast.meter.open();

    sendMany(slowQueue, 5);
    await slow.meter.started.take(1);
    sendMany(fastQueue, 20);

    await fast.meter.ended.take(20);
    expect(slow.meter.started.items).toEqual([0]);
    slow.meter.open();
    await slow.meter.ended.take(5);
  });

  it.each([0, -1, 1.5, 65_536, Number.NaN])('can not be %s', (prefetch) => {
    expect(() => Processor({ prefetch })(class Any {})).toThrow(/prefetch/);
  });

  it('is refused where two processors of one queue give different ones, and both are named', async () => {
    const queue = uniqueName('conflict');
    @Processor({ eqk: byName(queue), prefetch: 1 })
    class Careful {
      @MessageHandler('command', 'a')
      a(): void {}
    }
    @Processor({ eqk: byName(queue), prefetch: 10 })
    class Quick {
      @MessageHandler('command', 'b')
      b(): void {}
    }
    await expect(world.receive([Careful, Quick])).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(new RegExp(`Careful \\(1\\).*Quick \\(10\\).*${queue}`)) as string,
    });
  });

  it('of one processor counts where the others of its queue give none', async () => {
    const queue = uniqueName('agreed');
    const { meter, processor } = metered(byName(queue), 2);
    @Processor({ eqk: byName(queue) })
    class Other {
      @MessageHandler('command', 'other')
      other(): void {}
    }
    const { events } = await world.receive([Other, processor]);

    expect(events.of('consumer.attached').items).toMatchObject([{ queue, prefetch: 2 }]);
    expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ consumerCount: 1 });
    meter.open();
  });
});

describe('a feature that is imported several times', () => {
  const feature = (): { queue: string; processor: Type; runs: Inbox<string> } => {
    const queue = uniqueName('feature');
    const runs = new Inbox<string>();
    @Processor({ eqk: byName(queue) })
    class FeatureProcessor {
      @MessageHandler('command', 'go')
      go(): void {
        runs.push('go');
      }

      @RpcHandler('command', 'count')
      count(): number {
        return runs.items.length;
      }
    }
    return { queue, processor: FeatureProcessor, runs };
  };

  /** How often one message was handled, once everything before the question has been, and by how many consumers. */
  const handledBy = async (queue: string, runs: Inbox<string>): Promise<readonly [unknown, number]> => {
    world.send(queue, message('go'));
    await runs.take(1);
    const { value } = await world.resultOf(queue, rpc('count'));
    return [value, (await world.peer.channel.checkQueue(queue)).consumerCount];
  };

  it('as one module, through three others, handles once', async () => {
    const { queue, processor, runs } = feature();
    @Module({ controllers: [processor] })
    class Feature {}
    @Module({ imports: [Feature] })
    class One {}
    @Module({ imports: [Feature] })
    class Two {}
    await world.receive([], { extra: { imports: [Feature, One, Two] } });

    expect(await handledBy(queue, runs)).toEqual([1, 1]);
  });

  it('as three dynamic modules, each with an instance of its own, handles once', async () => {
    const { queue, processor, runs } = feature();
    @Module({})
    class Feature {
      static register(label: string): DynamicModule {
        return {
          module: Feature,
          controllers: [processor],
          providers: [{ provide: 'label', useValue: label }],
        };
      }
    }
    await world.receive([], {
      extra: { imports: [Feature.register('a'), Feature.register('b'), Feature.register('c')] },
    });

    expect(await handledBy(queue, runs)).toEqual([1, 1]);
  });

  it('as a controller here and a provider there handles once', async () => {
    const { queue, processor, runs } = feature();
    @Module({ controllers: [processor] })
    class One {}
    @Module({ providers: [processor] })
    class Two {}
    await world.receive([], { extra: { imports: [One, Two] } });

    expect(await handledBy(queue, runs)).toEqual([1, 1]);
  });
});
