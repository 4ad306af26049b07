import { Ctx } from '@nestjs/microservices';
import {
  BrokerError,
  DEFAULT_EXCHANGE,
  MessageHandler,
  Parameters,
  PostageContext,
  Processor,
  type QueueFlags,
} from 'nestjs-postage';
import { describe, expect, it, onTestFinished } from 'vitest';
import { command, Events } from '../integration/world.js';
import { startReceiver } from '../support/apps.js';
import { eventually, Inbox } from '../support/eventually.js';
import { createVhost, uniqueName } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { report } from './support/measure.js';

const TEST = 'test/faults/generations.spec.ts';
const MESSAGES = 5;

interface Run {
  readonly number: number;
  readonly redelivered: boolean;
  /** Lets it end. */
  readonly finish: () => void;
}

/** An application whose handlers end when the test says so. */
const start = async (flags: QueueFlags) => {
  const vhost = await createVhost('generations');
  onTestFinished(() => vhost.delete());
  const proxy = await TcpProxy.to(vhost.url);
  onTestFinished(() => proxy.close());
  const peer = await RawPeer.connect(vhost.url);
  onTestFinished(() => peer.close());
  const queue = uniqueName('held');
  const runs = new Inbox<Run>();
  @Processor({ eqk: [[DEFAULT_EXCHANGE, [[{ name: queue, flags }, queue]]]], prefetch: MESSAGES })
  class Holding {
    @MessageHandler('command', 'hold')
    hold(@Parameters() number: number, @Ctx() { redelivered }: PostageContext): Promise<void> {
      return new Promise((resolve) => runs.push({ number, redelivered, finish: resolve }));
    }
  }
  const events = new Events();
  const app = await startReceiver({ connection: { url: proxy.url }, observer: events.observe }, [Holding]);
  onTestFinished(() => {
    for (const { finish } of runs.items) finish();
    return app.close();
  });
  const send = (sent: readonly number[]): void => {
    for (const number of sent)
      peer.publish('', queue, command('hold', number), { contentType: 'application/json' });
  };
  /** The runs of that round, which come when as many as can run at once have been acked. */
  const round = async (index: number): Promise<Run[]> =>
    (await runs.take((index + 1) * MESSAGES, 30_000)).slice(index * MESSAGES);
  return { proxy, peer, queue, runs, events, send, round };
};

const numbers = (runs: readonly Run[]): number[] =>
  runs.map(({ number }) => number).toSorted((a, b) => a - b);
const finish = (runs: readonly Run[]): void => runs.forEach((run) => run.finish());
const FIRST = Array.from({ length: MESSAGES }, (_, number) => number);
const LATER = FIRST.map((number) => number + MESSAGES);

describe.each([
  { kind: 'a classic queue', flags: {} },
  { kind: 'a quorum queue', flags: { type: 'quorum' } },
] as const)('handlers that end after their channel, on $kind', ({ kind, flags }) => {
  it('settle nothing on the channel that came after it: what is handled again stays the broker’s until that is done', async () => {
    const { proxy, peer, queue, runs, events, send, round } = await start(flags);
    send(FIRST);
    const first = await round(0);

    proxy.cut();
    const second = await round(1);
    // Their delivery tags are those of the runs of now, on a channel that is gone.
    finish(first);
    await new Promise(setImmediate);
    // Were one of them acked by that, it would not come again.
    proxy.cut();
    const third = await round(2);
    finish([...second, ...third]);
    send(LATER);
    const fourth = await round(3);
    // What was acked on its own channel does not come again; what was not, does.
    proxy.cut();
    const fifth = await round(4);
    finish([...fourth, ...fifth]);

    expect([first, second, third, fourth, fifth].map(numbers)).toEqual([FIRST, FIRST, FIRST, LATER, LATER]);
    expect([...second, ...third, ...fifth].every(({ redelivered }) => redelivered)).toBe(true);
    await eventually(async () =>
      expect(await peer.channel.checkQueue(queue)).toMatchObject({ messageCount: 0, consumerCount: 1 }),
    );
    expect(runs.items).toHaveLength(5 * MESSAGES);
    // No channel was ended by an ack that it did not know.
    const codes = events
      .of('consumer.lost')
      .items.map(({ error }) => (error instanceof BrokerError ? error.amqpCode : undefined));
    expect(codes.filter((code) => code !== undefined)).toEqual([]);
    report({
      fault: `handlers that end after a reconnect, ${kind}`,
      test: TEST,
      ...{ sent: 2 * MESSAGES, handled: 2 * MESSAGES, duplicated: 3 * MESSAGES, lost: 0 },
    });
  });
});
