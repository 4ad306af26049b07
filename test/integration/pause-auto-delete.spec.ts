import { Address, DEFAULT_EXCHANGE, GenericConsumer } from 'nestjs-postage';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { TEST_BROKERS } from '../support/test-brokers.js';
import { useApplications } from './application-world.js';
import { numbers, processorOf, usePauseWorld, Work } from './pause-world.js';

const PREFETCH = 3;

describe.each(TEST_BROKERS)('a paused auto-delete queue on $broker', ({ open }) => {
  const world = usePauseWorld(open);

  /** One more application that consumes the queue. */
  const member = async (queue: string, early: (consumer: GenericConsumer) => void = () => undefined) => {
    const work = new Work();
    const eqk = [[DEFAULT_EXCHANGE, [[{ name: queue, flags: { autoDelete: true } }, queue]]]] as const;
    const started = await world.start([processorOf(work, { eqk, prefetch: PREFETCH })], {}, (app) =>
      early(app.get(GenericConsumer)),
    );
    return { work, ...started };
  };

  it('stays, with its messages in order', async () => {
    const queue = uniqueName('gone');
    const { work, consumer } = await member(queue);
    world.send(queue, ...numbers(5));
    await work.begun.take(PREFETCH);
    await consumer.pause();
    expect(await world.peer.consumersOf(queue)).toBe(1);
    work.finish();
    await work.ended.take(PREFETCH);
    world.send(queue, ...numbers(5, 6));
    // All but the first, which the consumer has that stays for the queue's sake.
    await world.waits(queue, 6);
    expect(work.ids).toEqual([1, 2, 3]);

    await consumer.resume();
    await work.ended.take(10);
    expect([work.ids, await world.peer.consumersOf(queue)]).toEqual([numbers(10), 1]);
    expect(consumer.snapshot).toMatchObject([{ attached: true, paused: false }]);
  });

  it('hands out as many messages as before when it is resumed, and as often as one likes', async () => {
    const queue = uniqueName('gone');
    const { work, consumer } = await member(queue);
    for (let round = 0; round < 5; round += 1) {
      await consumer.pause();
      await consumer.resume();
    }
    world.send(queue, ...numbers(10));
    await work.begun.take(PREFETCH);
    await world.waits(queue, 10 - PREFETCH);
    work.finish();
    await work.ended.take(10);
    expect([work.ids, work.mostAtOnce]).toEqual([numbers(10), PREFETCH]);
  });

  it('withholds nothing for long from others that consume it', async () => {
    const queue = uniqueName('gone');
    const [paused, busy] = [await member(queue), await member(queue)];
    await paused.consumer.pause();
    world.send(queue, ...numbers(PREFETCH + 1));
    await busy.work.begun.take(PREFETCH);
    // The paused one has the next, since the other could take no more.
    await world.waits(queue, 0);
    busy.work.finish();
    await busy.work.ended.take(PREFETCH + 1);
    world.send(queue, ...numbers(20, 10));
    await busy.work.ended.take(PREFETCH + 21);
    expect([paused.work.ids, busy.work.ids.length]).toEqual([[], PREFETCH + 21]);
  });

  it('is there before the start of its consumer, after a lost connection, and after others have gone', async () => {
    const queue = uniqueName('gone');
    const { work, consumer, events } = await member(queue, (early) => void early.pause());
    await world.reconnect(events);
    const other = await member(queue);
    await other.app.close();
    world.send(queue, ...numbers(5));
    await world.waits(queue, 4);
    expect([await world.peer.consumersOf(queue), consumer.snapshot[0]?.attached]).toEqual([1, false]);
    work.isQuick = true;
    await consumer.resume();
    await work.ended.take(5);
    expect(work.ids).toEqual(numbers(5));
  });

  it('that expires without use has a consumer while it is paused, too', async () => {
    const [queue, work] = [uniqueName('expires'), new Work()];
    const eqk = [[DEFAULT_EXCHANGE, [[{ name: queue, flags: { expiresMs: 60_000 } }, queue]]]] as const;
    const { consumer } = await world.start([processorOf(work, { eqk })]);
    await consumer.pause();
    expect([await world.peer.consumersOf(queue), consumer.snapshot[0]?.attached]).toEqual([1, false]);
    world.send(queue, ...numbers(3));
    await world.waits(queue, 2);
    work.isQuick = true;
    await consumer.resume();
    await work.ended.take(3);
    expect(work.ids).toEqual([1, 2, 3]);
  });

  it('gives what it holds to others when its consumer ends', async () => {
    const queue = uniqueName('gone');
    const [paused, other] = [await member(queue), await member(queue)];
    await Promise.all([paused.consumer.pause(), other.consumer.pause()]);
    world.send(queue, 1, 2);
    await world.waits(queue, 0);
    await paused.app.close();
    other.work.isQuick = true;
    await other.consumer.resume();
    await other.work.ended.take(2);
    expect(new Set(other.work.ids)).toEqual(new Set([1, 2]));
  });
});

describe.each(TEST_BROKERS)('a paused application on $broker', ({ open }) => {
  const { member, operator } = useApplications(open);

  it('hears commands, and leaves work in its queues until it is resumed', async () => {
    const { app, address, heard, events } = await member({ application: { groups: ['eu'] } });
    const { applications } = await operator();
    const consumer = app.get(GenericConsumer);
    await consumer.pause();
    await applications.at(address).messageJoinGroup('us');
    await events.of('group.joined').take(1);
    const addresses = [
      address,
      Address.name('worker'),
      Address.roundRobin('worker'),
      Address.groupRoundRobin('worker', 'eu'),
      Address.groupRoundRobin('worker', 'us'),
    ];
    for (const to of addresses) {
      await applications.at(to).with({ mandatory: true }).command('note', to.key);
      expect((await applications.at(to).rpcPing()).type).toBe('success');
    }
    expect(heard.items).toEqual([]);

    await consumer.resume();
    expect(new Set(await heard.take(addresses.length))).toEqual(new Set(addresses.map(({ key }) => key)));
    await eventually(() => expect(consumer.snapshot.every(({ inFlight }) => inFlight === 0)).toBe(true));
    expect(heard.items).toHaveLength(addresses.length);
    expect(events.of('message.unhandled').items).toEqual([]);
  });

  it('that is alone obeys what was sent to one in turn, meanwhile and afterwards', async () => {
    const { app, events } = await member();
    const { applications } = await operator();
    await app.get(GenericConsumer).pause();
    await applications.at(Address.roundRobin('worker')).messageQuit();
    expect(await events.of('control.accepted').take(1)).toMatchObject([{ command: 'quit' }]);
  });
});
