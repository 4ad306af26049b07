import { ApplicationProducer, Address, BrokerError, defineExchange, GenericConsumer } from 'nestjs-postage';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import type { Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { hasOneConsumer } from './support/broker-view.js';
import { faultNode } from './support/fault-node.js';
import { report } from './support/measure.js';
import { RECONNECT, Traffic, type TrafficOptions } from './support/traffic.js';

const TEST = 'test/faults/consumer-ended.spec.ts';
const ACK_TIMEOUT_MS = 1_000;
const DELETIONS = 10;
const Extra = defineExchange({ name: 'extra', type: 'topic' });

const node = faultNode({ config: { consumer_timeout: ACK_TIMEOUT_MS } });
const unhandled = useUnhandledRejections();
let vhost: Vhost;

beforeAll(async () => {
  // By default a channel looks for late acks once a minute.
  await node.setEnvironment('rabbit', 'channel_tick_interval', '500');
  vhost = await node.vhost('ended');
});
afterEach(() => {
  if (unhandled.length > 0) throw new Error(`unhandled: ${unhandled.map(String).join(', ')}`);
});

const start = (more: Partial<TrafficOptions> = {}): Promise<Traffic> =>
  Traffic.start({
    options: { connection: { url: vhost.url }, reconnect: RECONNECT },
    call: { mandatory: true },
    ...more,
  });

/** Resolves when the consumer of its queue has been lost once more. */
const consumerLost = (traffic: Traffic): (() => Promise<unknown>) => {
  const lost = traffic.receiverEvents.of('consumer.lost');
  const before = lost.items.length;
  return () => lost.take(before + 1, 30_000);
};

describe('a queue that is deleted under load', () => {
  it('is declared, bound and consumed again, with bindings that were made at run time', async () => {
    const notes = new Inbox<unknown>();
    const traffic = await start({ onNote: notes.push });
    await traffic.receiver.get(GenericConsumer).queueBind(Extra, traffic.queue, 'bound.later');
    await using peer = await RawPeer.connect(vhost.url);

    const measured: number[] = [];
    let { next } = traffic.numbers;
    for (let round = 0; round < DELETIONS; round += 1) {
      const { resumeMs } = await traffic.resumedAfter(
        () => peer.channel.deleteQueue(traffic.queue),
        consumerLost(traffic),
      );
      measured.push(resumeMs);
      ({ next } = traffic.numbers);
    }

    const through = traffic.sender.get(ApplicationProducer).at(Address.name('any'));
    await through.with({ eks: [[Extra, 'bound.later']], mandatory: true }).command('note', 'still bound');
    expect(await notes.take(1)).toEqual(['still bound']);
    await hasOneConsumer(vhost, traffic.queue);
    const lost = traffic.receiverEvents.of('consumer.lost').items;
    expect(lost).toHaveLength(DELETIONS);
    expect(new Set(lost.map(({ queue }) => queue))).toEqual(new Set([traffic.queue]));
    expect(traffic.receiverEvents.of('connection.lost').items).toEqual([]);
    // Whoever deletes a queue deletes what waits in it; nothing that was sent after it was back may be missing.
    const { sent, handled, duplicated, lost: gone } = await traffic.totals(2_000);
    expect(traffic.tally.missing(sent).filter((number) => number >= next)).toEqual([]);
    report({
      fault: `queue deleted under load, ${DELETIONS} times`,
      test: TEST,
      ...{ sent, handled, duplicated, 'deleted with the queue': gone },
      resumeMs: Math.max(...measured),
    });
  });
});

describe('a consumer whose acks are too late for the broker', () => {
  it('loses its channel, which is told by the name of the queue, and is put back; the message comes again', async () => {
    const [begun, release] = [new Inbox<number>(), new Inbox<'go'>()];
    const stuck = 50;
    const traffic = await start({
      work: async (number) => {
        if (number !== stuck) return;
        begun.push(number);
        if (begun.items.length === 1) await release.take(1, 60_000);
      },
    });

    const { noticedMs, resumeMs } = await traffic.resumedAfter(
      () => begun.take(1, 30_000),
      consumerLost(traffic),
    );

    expect(traffic.receiverEvents.of('consumer.lost').items).toEqual([
      {
        kind: 'consumer.lost',
        queue: traffic.queue,
        error: expect.objectContaining({
          amqpCode: 406,
          message: expect.stringContaining('timed out') as string,
        }) as BrokerError,
      },
    ]);
    // Again, on the new channel; the ack of the first run belongs to a channel that is gone, and must not end this one.
    expect(await begun.take(2, 30_000)).toEqual([stuck, stuck]);
    release.push('go');
    await traffic.handlesMore();
    await hasOneConsumer(vhost, traffic.queue);
    // RabbitMQ 3.10 may go on delivering on a channel that it has closed; amqplib then gives the whole connection up.
    const lost = traffic.receiverEvents.of('connection.lost').items.map(({ error }) => error?.message);
    expect(lost.filter((text) => !text?.includes('Frame on unknown channel'))).toEqual([]);
    const fault = `acks later than consumer_timeout (${ACK_TIMEOUT_MS} ms)`;
    const totals = await traffic.finish({ fault, test: TEST, noticedMs, resumeMs: resumeMs - noticedMs });
    expect(totals.lost).toBe(0);
  });
});
