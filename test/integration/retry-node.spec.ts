import { Ctx } from '@nestjs/microservices';
import { connect, type ChannelModel } from 'amqplib';
import { DEFAULT_EXCHANGE, MessageHandler, PostageContext, Processor, type QueueFlags } from 'nestjs-postage';
import { afterEach, describe, expect, it } from 'vitest';
import { faultNode } from '../faults/support/fault-node.js';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { uniqueName } from '../support/rabbit.js';
import { DiskFull } from './retry-world.js';
import { command, Events } from './world.js';

const node = faultNode();
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
}, 60_000);

const peer = async (): Promise<ChannelModel> => {
  const model = await connect(node.url);
  model.on('error', () => undefined);
  closers.push(() => model.close().catch(() => undefined));
  return model;
};

const send = async (queue: string, body: object): Promise<void> => {
  const channel = await (await peer()).createConfirmChannel();
  channel.sendToQueue(queue, Buffer.from(JSON.stringify(body)), {
    persistent: true,
    contentType: 'application/json',
  });
  await channel.waitForConfirms();
};

const countIn = async (queue: string): Promise<number> => {
  const channel = await (await peer()).createChannel();
  return (await channel.checkQueue(queue)).messageCount;
};

/** Fails until it is told to work. */
const start = async (queue: string, backoffMs: readonly number[], flags: QueueFlags = {}) => {
  const runs = new Inbox<string>();
  const handled = new Inbox<string>();
  const state = { isBroken: true };
  @Processor({
    eqk: [[DEFAULT_EXCHANGE, [[{ name: queue, flags }, queue]]]],
    retry: { attempts: 10_000, backoffMs, jitter: 0 },
  })
  class Moody {
    @MessageHandler('command', 'store')
    store(@Ctx() { attempt, redelivered }: PostageContext): void {
      runs.push(`${attempt}${redelivered ? ' redelivered' : ''}`);
      if (state.isBroken) throw new DiskFull('no room');
      handled.push(`attempt ${attempt}`);
    }
  }
  const events = new Events();
  const reconnect = { initialDelayMs: 50, maxDelayMs: 500 };
  const options = { connection: { url: node.url }, reconnect, observer: events.observe };
  const app = await startReceiver(options, [Moody]);
  closers.push(() => app.close());
  return { app, runs, handled, events, state };
};

describe('a broker that crashes', () => {
  it.each([
    { type: 'classic', flags: {} },
    { type: 'quorum', flags: { type: 'quorum' as const } },
  ])(
    'still has what waited in it ($type), and it comes back',
    async ({ flags }) => {
      const queue = uniqueName('crash');
      const { events, state, handled } = await start(queue, [8_000], flags);
      await send(queue, command('store', 1));
      await events.of('handler.failed').take(1);
      await eventually(async () => expect(await countIn(`${queue}.retry.8000`)).toBe(1));

      state.isBroken = false;
      await node.kill();
      await node.restart();

      // The broker may not have kept the ack of the first run: then that comes again, too.
      await eventually(() => expect(handled.items).toContain('attempt 2'), 40_000);
      await eventually(async () => expect(await countIn(queue)).toBe(0));
    },
    120_000,
  );
});

describe('a broker that blocks publishers', () => {
  it('keeps the original until there is a copy, and it is not handled in a hot loop', async () => {
    const queue = uniqueName('blocked');
    const { events, runs, state, handled } = await start(queue, [100]);
    await send(queue, command('store', 'first'));
    await runs.take(2);
    await node.ctl('set_vm_memory_high_watermark', '0.00001');
    await events.of('connection.blocked').take(1, 20_000);
    // What was on its way when the alarm came is settled or blocked by now.
    const before = runs.items.length;

    const failed = await events.of('copy.failed').take(1, 60_000);

    expect(failed[0]).toMatchObject({
      purpose: 'retry',
      queue: `${queue}.retry.100`,
      error: { name: 'PublishError' },
    });
    expect(runs.items.length - before).toBeLessThanOrEqual(2);
    state.isBroken = false;
    await node.ctl('set_vm_memory_high_watermark', '0.6');
    expect((await handled.take(1, 60_000)).length).toBe(1);
    await eventually(async () => expect(await countIn(queue)).toBe(0));
  }, 180_000);
});
