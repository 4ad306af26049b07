import { connect } from 'amqplib';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Vhost } from '../support/rabbit.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { hasOneConsumer } from './support/broker-view.js';
import { faultNode } from './support/fault-node.js';
import { RECONNECT, Traffic } from './support/traffic.js';

const TEST = 'test/faults/node.spec.ts';
const STORED = 2_000;

const node = faultNode();
const unhandled = useUnhandledRejections();
let vhost: Vhost;

beforeAll(async () => {
  // Of quorum queues; 5 s by default.
  await node.setEnvironment('rabbit', 'quorum_tick_interval', '500');
  vhost = await node.vhost('node');
});
afterEach(() => {
  if (unhandled.length > 0) throw new Error(`unhandled: ${unhandled.map(String).join(', ')}`);
});

const start = (type: 'classic' | 'quorum'): Promise<Traffic> =>
  Traffic.start({
    options: { connection: { url: vhost.url }, reconnect: RECONNECT },
    ...(type === 'quorum' ? { flags: { type } } : {}),
  });

/** Messages that nobody consumes yet. */
const store = async (queue: string): Promise<void> => {
  const model = await connect(vhost.url);
  const channel = await model.createConfirmChannel();
  await channel.assertQueue(queue);
  for (let number = 0; number < STORED; number += 1)
    channel.sendToQueue(queue, Buffer.from(String(number)), { persistent: true });
  await channel.waitForConfirms();
  await model.close();
};

const stored = async (queue: string): Promise<number> => {
  const model = await connect(vhost.url);
  const channel = await model.createChannel();
  const { messageCount } = await channel.checkQueue(queue);
  await model.close();
  return messageCount;
};

describe('a node that crashes and is started again on its data', () => {
  it('is found again: classic and quorum queues go on where they were, and have what was confirmed', async () => {
    const [classic, quorum] = [await start('classic'), await start('quorum')];
    await store('stored');
    await node.hasTicked(vhost, quorum.queue);
    const crash = async (): Promise<number> => {
      await node.kill();
      await node.restart();
      return performance.now();
    };

    const crashed = crash();
    const resumed = await Promise.all([classic, quorum].map((each) => each.resumedAfter(() => crashed)));

    expect(await stored('stored')).toBe(STORED);
    for (const [index, traffic] of [classic, quorum].entries()) {
      await hasOneConsumer(vhost, traffic.queue);
      const fault = `node killed and restarted, ${index === 0 ? 'classic' : 'quorum'} queue`;
      const { resumeMs } = resumed[index] ?? {};
      const totals = await traffic.finish({
        fault,
        test: TEST,
        ...(resumeMs === undefined ? {} : { resumeMs }),
      });
      expect(totals.lost).toBe(0);
    }
  });
});

describe('a broker that is stopped and started again while its node runs', () => {
  it('is found again', async () => {
    const traffic = await start('classic');

    const { resumeMs } = await traffic.resumedAfter(async () => {
      await node.ctl('stop_app');
      await node.ctl('start_app');
      return performance.now();
    });

    await hasOneConsumer(vhost, traffic.queue);
    const fault = 'rabbitmqctl stop_app, start_app';
    const totals = await traffic.finish({ fault, test: TEST, resumeMs });
    expect(totals.lost).toBe(0);
  });
});
