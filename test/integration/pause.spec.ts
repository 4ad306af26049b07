import { defineExchange, GenericConsumer, InvalidOptionError } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { numbers, processorOf, usePauseWorld, Work } from './pause-world.js';
import { byName } from './world.js';

const PREFETCH = 3;

describe.each(TEST_BROKERS)('pausing on $broker', ({ open }) => {
  const world = usePauseWorld(open);
  const unhandled = useUnhandledRejections();

  /** An application with one processor, and its queue. */
  const start = async (prefetch = PREFETCH) => {
    const [queue, work] = [uniqueName('pause'), new Work()];
    const worker = processorOf(work, { eqk: byName(queue), prefetch });
    return { queue, work, worker, ...(await world.start([worker])) };
  };

  it('a processor lets what runs finish, returns what has not started, and lets the backlog grow until it is resumed', async () => {
    const { queue, work, worker, consumer, events } = await start();
    world.send(queue, ...numbers(10));
    await work.begun.take(PREFETCH);

    await consumer.pause(worker);
    expect(await world.peer.consumersOf(queue)).toBe(0);
    work.finish();
    await work.ended.take(PREFETCH);
    world.send(queue, ...numbers(5, 11));
    // Those that were begun are acked: they do not come again.
    await world.waits(queue, 12);
    expect(work.ids).toEqual([1, 2, 3]);
    expect(consumer.snapshot).toMatchObject([{ queue, attached: false, paused: true, inFlight: 0 }]);

    await consumer.resume(worker);
    expect(await world.peer.consumersOf(queue)).toBe(1);
    await work.ended.take(15);
    await world.waits(queue, 0);
    expect(work.ids).toEqual(numbers(15));
    expect(work.begun.items.filter(({ redelivered }) => redelivered)).toEqual([]);
    expect([events.of('consumer.paused').items, events.of('consumer.resumed').items]).toEqual([
      [{ kind: 'consumer.paused', queue }],
      [{ kind: 'consumer.resumed', queue }],
    ]);
  });

  it('survives a lost connection: topology comes back, nothing is consumed, and resuming drains with one consumer', async () => {
    const exchange = defineExchange({ name: uniqueName('x') });
    const [queue, other, work] = [uniqueName('pause'), uniqueName('other'), new Work()];
    work.isQuick = true;
    const flags = { exclusive: true };
    // Exclusive: it is gone with the connection, and its bindings are, too.
    const paused = processorOf(work, { eqk: [[exchange, [[{ name: queue, flags }, 'key']]]] });
    const running = processorOf(work, { eqk: byName(other) });
    const { consumer, events } = await world.start([paused, running]);
    await consumer.pause(paused);
    await consumer.queueBind(exchange, queue, 'late');

    await world.reconnect(events);
    expect(consumer.snapshot).toMatchObject([
      { queue, attached: false, paused: true },
      { queue: other, attached: true, paused: false },
    ]);
    const attached = events.of('consumer.attached').items.map((event) => event.queue);
    expect(attached).toEqual([queue, other, other]);
    world.publish(exchange.name, 'key', 1);
    world.publish(exchange.name, 'late', 2);
    // Routed, by now.
    await world.waits(other, 0);
    expect(work.ids).toEqual([]);
    await consumer.resume(paused);
    await work.ended.take(2);
    expect(work.ids).toEqual([1, 2]);

    expect(events.of('consumer.attached').items.at(-1)).toMatchObject({ queue });
    expect(consumer.snapshot).toMatchObject([{ attached: true }, { attached: true }]);
    expect(events.of('consumer.paused').items).toHaveLength(1);
  });

  it('keeps the backlog of a durable queue over a lost connection', async () => {
    const { queue, work, consumer, events } = await start();
    work.isQuick = true;
    await consumer.pause(queue);
    world.send(queue, ...numbers(5));
    await world.reconnect(events);
    await world.reconnect(events);
    world.send(queue, ...numbers(5, 6));
    await world.waits(queue, 10);
    expect([await world.peer.consumersOf(queue), work.ids]).toEqual([0, []]);

    await consumer.resume();
    await work.ended.take(10);
    expect([work.ids, await world.peer.consumersOf(queue)]).toEqual([numbers(10), 1]);
  });

  it('while the connection is away takes effect at once, and what comes back is paused', async () => {
    const { queue, work, worker, consumer, events } = await start();
    work.isQuick = true;
    const lost = events.of('connection.lost').take(1);
    world.broker.cut();
    await lost;
    await consumer.pause(worker);
    world.send(queue, 1);
    await eventually(() => expect(events.of('connection.ready').items.length).toBeGreaterThan(1));
    await world.waits(queue, 1);
    expect([consumer.snapshot[0]?.attached, await world.peer.consumersOf(queue)]).toEqual([false, 0]);

    // Resuming resolves with the connection.
    await world.reconnect(events);
    world.broker.cut();
    await consumer.resume(worker);
    expect(consumer.snapshot[0]?.attached).toBe(true);
    await work.ended.take(1);
  });

  it('before the start keeps a processor from being consumed until it is resumed', async () => {
    const [queue, other, work, rest] = [uniqueName('early'), uniqueName('other'), new Work(), new Work()];
    work.isQuick = rest.isQuick = true;
    const worker = processorOf(work, { eqk: byName(queue) });
    const { consumer, events } = await world.start(
      [worker, processorOf(rest, { eqk: byName(other) })],
      {},
      (app) => void app.get(GenericConsumer).pause(queue),
    );
    world.send(queue, 1);
    world.send(other, 2);
    await rest.ended.take(1);
    await world.waits(queue, 1);
    expect([await world.peer.consumersOf(queue), await world.peer.consumersOf(other)]).toEqual([0, 1]);
    expect(events.of('consumer.paused').items).toEqual([{ kind: 'consumer.paused', queue }]);

    await consumer.resume(worker);
    await work.ended.take(1);
    expect(work.ids).toEqual([1]);
  });

  it('twice is the same as once, and so is resuming; of changes at the same moment the last one counts', async () => {
    const { queue, work, consumer, events } = await start();
    work.isQuick = true;
    await Promise.all([consumer.pause(queue), consumer.pause(), consumer.pause(queue)]);
    await consumer.pause();
    await Promise.all([consumer.resume(queue), consumer.resume()]);
    await consumer.resume(queue);
    expect([events.of('consumer.paused').items.length, events.of('consumer.resumed').items.length]).toEqual([
      1, 1,
    ]);

    const changes = [];
    for (let round = 0; round < 20; round += 1) changes.push(consumer.pause(queue), consumer.resume(queue));
    await Promise.all(changes);
    expect([consumer.snapshot[0]?.attached, await world.peer.consumersOf(queue)]).toEqual([true, 1]);
    world.send(queue, ...numbers(3));
    await work.ended.take(3);

    for (let round = 0; round < 20; round += 1) changes.push(consumer.resume(queue), consumer.pause(queue));
    await Promise.all(changes);
    expect([consumer.snapshot[0]?.attached, await world.peer.consumersOf(queue)]).toEqual([false, 0]);
    world.send(queue, 4);
    await world.waits(queue, 1);
  });

  it('and resuming while handlers run starts no more of them at once than the prefetch', async () => {
    const { queue, work, consumer } = await start(1);
    world.send(queue, ...numbers(4));
    await work.begun.take(1);
    for (let round = 0; round < 3; round += 1) {
      await consumer.pause(queue);
      await consumer.resume(queue);
    }
    // The broker hands out to the new consumer what it may not start yet.
    await world.waits(queue, 2);
    expect(work.ids).toEqual([1]);
    work.finish();
    await work.ended.take(4);
    expect([work.ids, work.mostAtOnce]).toEqual([numbers(4), 1]);
  });

  it('one of two processors with one queue pauses the queue', async () => {
    const [queue, alone, work] = [uniqueName('shared'), uniqueName('alone'), new Work()];
    work.isQuick = true;
    const first = processorOf(work, { eqk: byName(queue) });
    const second = processorOf(new Work(), { eqk: [...byName(queue), ...byName(alone)] });
    const { consumer } = await world.start([first, second]);

    await consumer.pause(first);
    expect(consumer.snapshot.map(({ paused }) => paused)).toEqual([true, false]);
    await consumer.pause(second);
    expect(consumer.snapshot.map(({ paused }) => paused)).toEqual([true, true]);
    await consumer.resume(first);
    expect(consumer.snapshot.map(({ paused }) => paused)).toEqual([false, true]);
  });

  it('everything covers queues that are bound later, but for those that are resumed by name', async () => {
    const { queue, work, consumer } = await start();
    work.isQuick = true;
    const later = [uniqueName('later'), uniqueName('later')];
    const exchange = defineExchange({ name: uniqueName('x') });
    await consumer.pause();
    for (const name of later) await consumer.queueBind(exchange, name, name);
    await consumer.resume(later[0]);

    expect(consumer.snapshot.map(({ paused, attached }) => [paused, attached])).toEqual([
      [true, false],
      [false, true],
      [true, false],
    ]);
    await consumer.resume();
    expect(consumer.snapshot.every(({ attached }) => attached)).toBe(true);
    expect(await world.peer.consumersOf(queue)).toBe(1);
  });

  it('of what is not there is refused, and names what is', async () => {
    const { queue, worker, consumer } = await start();
    class Stranger {}
    const error: unknown = await consumer.pause(Stranger).catch((caught: unknown) => caught);

    expect(error).toBeInstanceOf(InvalidOptionError);
    expect(String(error)).toContain(
      `Stranger is neither a processor nor a queue of this consumer. Processors: ${worker.name}. Queues: ${queue}.`,
    );
    await expect(consumer.resume('no-such-queue')).rejects.toMatchObject({ option: 'target' });
    expect(consumer.snapshot[0]?.attached).toBe(true);
  });

  it('before the start of what is not there keeps the application from starting', async () => {
    const worker = processorOf(new Work(), { eqk: byName(uniqueName('early')) });
    const started = world.start([worker], {}, (app) => void app.get(GenericConsumer).pause('no-such-queue'));
    await expect(started).rejects.toMatchObject({ option: 'target' });
    expect(unhandled).toEqual([]);
  });

  it('and resuming while it drains does no harm, and starts nothing', async () => {
    const { app, queue, work, consumer } = await start();
    world.send(queue, ...numbers(5));
    await work.begun.take(PREFETCH);
    const closed = app.close();
    await Promise.all([consumer.pause(queue), consumer.resume(queue), consumer.pause(), consumer.resume()]);
    work.finish();
    await closed;
    await Promise.all([consumer.pause(), consumer.resume()]);

    await world.waits(queue, 2);
    expect([work.ids, await world.peer.consumersOf(queue)]).toEqual([[1, 2, 3], 0]);
  });

  it('of a queue that is deleted meanwhile is no obstacle to resuming: it is declared again', async () => {
    const { queue, work, consumer } = await start();
    work.isQuick = true;
    await consumer.pause(queue);
    await world.peer.deleteQueue(queue);
    await consumer.resume(queue);
    world.send(queue, 1);
    await work.ended.take(1);
    expect([await world.peer.consumersOf(queue), unhandled]).toEqual([1, []]);
  });
});
