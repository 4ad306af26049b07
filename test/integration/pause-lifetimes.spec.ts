import { setTimeout } from 'node:timers/promises';
import { DEFAULT_EXCHANGE, GenericConsumer, type DeclareMode, type QueueFlags } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { numbers, processorOf, usePauseWorld, Work } from './pause-world.js';

const LIMIT_MS = 20_000;
/** The broker looks at quorum queues every few seconds. */
const EXPIRES_MS = 4_000;
const NOT_OURS: readonly DeclareMode[] = ['passive', 'assume'];

describe.each(TEST_BROKERS)('a paused queue on $broker that others declare', ({ open }) => {
  const world = usePauseWorld(open);

  /** Its queue is auto-delete, as those of peers are. */
  const start = async (declare: DeclareMode) => {
    const [queue, work] = [uniqueName('foreign'), new Work()];
    work.isQuick = true;
    await world.peer.declare(queue);
    const eqk = [[DEFAULT_EXCHANGE, [[{ name: queue, declare }, queue]]]] as const;
    const { app, events } = await world.start([processorOf(work, { eqk })]);
    return { queue, work, events, consumer: app.get(GenericConsumer) };
  };

  it.each(NOT_OURS)('and is auto-delete stays, with its messages in order (%s)', async (declare) => {
    const { queue, work, consumer } = await start(declare);
    await consumer.pause(queue);
    world.send(queue, ...numbers(5));
    await world.waits(queue, 4);
    expect([await world.peer.consumersOf(queue), work.ids]).toEqual([1, []]);

    await consumer.resume(queue);
    await work.ended.take(5);
    expect(work.ids).toEqual(numbers(5));
  });

  it.each(NOT_OURS)('and is gone when it is resumed says so, and is tried again (%s)', async (declare) => {
    const { queue, work, consumer, events } = await start(declare);
    await consumer.pause(queue);
    await world.peer.deleteQueue(queue);
    await expect(consumer.resume(queue)).rejects.toMatchObject({ amqpCode: 404 });
    expect(consumer.snapshot).toMatchObject([{ attached: false, paused: false }]);

    await world.peer.declare(queue);
    await eventually(() => expect(consumer.snapshot).toMatchObject([{ attached: true }]), LIMIT_MS);
    world.send(queue, 1);
    await work.ended.take(1);
    expect(events.of('consumer.resumed').items).toHaveLength(1);
  });
});

describe('a paused quorum queue', () => {
  const world = usePauseWorld(TEST_BROKERS[0].open);

  const start = async (flags: QueueFlags, declare: DeclareMode, queue = uniqueName('quorum')) => {
    const work = new Work();
    const eqk = [[DEFAULT_EXCHANGE, [[{ name: queue, flags, declare }, queue]]]] as const;
    return { queue, work, ...(await world.start([processorOf(work, { eqk, prefetch: 1 })])) };
  };

  it('that expires without use outlives that time several times, and withholds nothing', async () => {
    const { queue, work, consumer, events } = await start(
      { type: 'quorum', expiresMs: EXPIRES_MS },
      'assert',
    );
    await consumer.pause(queue);
    world.send(queue, 1, 2, 3);
    await world.waits(queue, 3);
    // The broker's own clock: only time shows that it does not expire.
    await setTimeout(4 * EXPIRES_MS);
    await world.waits(queue, 3);
    expect([await world.peer.consumersOf(queue), work.ids]).toEqual([0, []]);

    work.isQuick = true;
    await consumer.resume(queue);
    await work.ended.take(3);
    // A quorum queue may put what comes back behind the others.
    expect(work.ids.toSorted((one, other) => one - other)).toEqual([1, 2, 3]);
    expect(events.of('consumer.lost').items).toEqual([]);
  });

  it('that somebody else has declared is left alone once it has counted', async () => {
    const maker = await start({ type: 'quorum', deliveryLimit: 4 }, 'assert');
    await maker.app.close();
    const { work, consumer } = await start({}, 'passive', maker.queue);
    await consumer.pause(maker.queue);
    world.send(maker.queue, 1, 2);
    const nobodyHasIt = async (): Promise<void> => {
      expect([await world.peer.consumersOf(maker.queue), await world.peer.waitingIn(maker.queue)]).toEqual([
        0, 2,
      ]);
    };
    await eventually(nobodyHasIt, LIMIT_MS);
    work.isQuick = true;
    await consumer.resume(maker.queue);
    await work.ended.take(2);
    expect(work.ids.toSorted((one, other) => one - other)).toEqual([1, 2]);
  });
});
