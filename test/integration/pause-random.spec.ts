import { GenericConsumer, PostageConnection } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { numbers, processorOf, usePauseWorld, Work, type PauseWorld } from './pause-world.js';
import { byName, command, useWorld } from './world.js';

const ROUNDS = 20;
const PER_ROUND = 10;

/** Always the same ones for a seed. @see https://en.wikipedia.org/wiki/Linear_congruential_generator */
const randomFrom = (seed: number): ((below: number) => number) => {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

type Change = (world: PauseWorld, consumer: GenericConsumer) => Promise<void>;

const CHANGES: readonly Change[] = [
  (_, consumer) => consumer.pause(),
  (_, consumer) => consumer.resume(),
  async (world) => world.broker.cut(),
  async (world, consumer) => {
    world.broker.cut();
    await consumer.pause();
  },
  async (world, consumer) => {
    const resumed = consumer.resume();
    world.broker.cut();
    await resumed;
  },
  async (_, consumer) => {
    await Promise.all([consumer.pause(), consumer.resume(), consumer.pause()]);
  },
];

describe.each(TEST_BROKERS)('pausing, resuming and cutting at random on $broker', ({ open }) => {
  const world = usePauseWorld(open);
  const unhandled = useUnhandledRejections();

  it.each([1, 2, 3])('loses nothing, and ends with one consumer (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const [queue, work] = [uniqueName('random'), new Work()];
    work.isQuick = true;
    const worker = processorOf(work, { eqk: byName(queue), prefetch: 4 });
    const { app, consumer, events } = await world.start([worker]);
    for (let round = 0; round < ROUNDS; round += 1) {
      world.send(queue, ...numbers(PER_ROUND, round * PER_ROUND));
      await CHANGES[random(CHANGES.length)]?.(world, consumer);
      // Otherwise the next change comes while it is still away.
      if (random(2) === 0) await app.get(PostageConnection).consuming.ready();
    }

    await consumer.pause();
    await eventually(async () => expect(await world.peer.consumersOf(queue)).toBe(0));
    await consumer.resume();
    await eventually(() => expect(new Set(work.ids).size).toBe(ROUNDS * PER_ROUND));
    await world.waits(queue, 0);
    await eventually(async () => expect(await world.peer.consumersOf(queue)).toBe(1));
    expect(consumer.snapshot).toMatchObject([{ queue, attached: true, paused: false, inFlight: 0 }]);
    expect([unhandled, events.of('internal.failure').items]).toEqual([[], []]);
    expect(events.of('connection.lost').items.length).toBeGreaterThan(3);
  });
});

describe('a paused queue whose connection an operator closes', () => {
  const world = useWorld();

  it('is paused afterwards, keeps what comes, and is drained by one consumer when it is resumed', async () => {
    const [queue, work] = [uniqueName('operator'), new Work()];
    work.isQuick = true;
    const reconnect = { initialDelayMs: 20, maxDelayMs: 200 };
    const worker = processorOf(work, { eqk: byName(queue) });
    const { app, events } = await world.receive([worker], { options: { reconnect } });
    const consumer = app.get(GenericConsumer);
    await consumer.pause(worker);
    for (const id of numbers(5)) world.send(queue, command('go', id));
    await world.peer.channel.checkQueue(queue);
    const ready = events.of('connection.ready');
    const before = ready.items.length;
    await world.cut(events);
    await ready.take(before + 1);

    for (const id of numbers(5, 6)) world.send(queue, command('go', id));
    const backlog = { messageCount: 10, consumerCount: 0 };
    await eventually(async () => expect(await world.peer.channel.checkQueue(queue)).toMatchObject(backlog));
    await consumer.resume(worker);
    await work.ended.take(10);
    expect(await world.peer.channel.checkQueue(queue)).toMatchObject({ consumerCount: 1 });
  });
});
