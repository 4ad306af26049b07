import { Module, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  DEFAULT_EXCHANGE,
  defineExchange,
  GenericProducer,
  PostageConnection,
  PostageModule,
  Producer,
  type CallOptions,
  type PostageModuleOptions,
} from 'nestjs-postage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.js';
import { createVhost, management, uniqueName, type Vhost } from '../support/rabbit.js';
import { RawPeer } from '../support/raw-peer.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { report } from './support/measure.js';

const TEST = 'test/faults/publishing.spec.ts';
const Good = defineExchange({ name: 'good', type: 'fanout' });
const Missing = defineExchange({ name: 'missing', declare: 'assume' });

@Producer({ eks: [[Good, '']] })
class Numbers extends GenericProducer {}

const unhandled = useUnhandledRejections();
const closers: (() => Promise<unknown>)[] = [];
let vhost: Vhost;
let proxy: TcpProxy;
let peer: RawPeer;
let queue: string;

beforeEach(async () => {
  vhost = await createVhost('publishing');
  proxy = await TcpProxy.to(vhost.url);
  peer = await RawPeer.connect(vhost.url);
  queue = uniqueName('numbers');
  await peer.channel.assertExchange(Good.name, 'fanout');
  await peer.channel.assertQueue(queue);
  await peer.channel.bindQueue(queue, Good.name, '');
});

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await peer.close();
  await proxy.close();
  await vhost.delete();
  if (unhandled.length > 0) throw new Error(`unhandled: ${unhandled.map(String).join(', ')}`);
});

interface Sending {
  readonly connection: PostageConnection;
  /** Resolves with 'confirmed', or with the code of its failure. */
  readonly send: (number: number | string, options?: CallOptions) => Promise<string>;
}

const startSender = async (options: Omit<PostageModuleOptions, 'connection'> = {}): Promise<Sending> => {
  const connection = { url: proxy.url, heartbeatSeconds: 1, connectTimeoutMs: 1_000 };
  @Module({
    imports: [
      PostageModule.forRoot({ log: false, connection, ...options }),
      PostageModule.forFeature([Numbers]),
    ],
  })
  class Sender {}
  const app: INestApplicationContext = await NestFactory.createApplicationContext(Sender, { logger: false });
  closers.push(() => app.close());
  const numbers = app.get(Numbers);
  return {
    connection: app.get(PostageConnection),
    send: (number, call = {}) =>
      numbers
        .with(call)
        .command('number', number)
        .then(
          () => 'confirmed',
          (error: { readonly code: string }) => error.code,
        ),
  };
};

const waitingIn = async (name: string): Promise<number> => (await peer.channel.checkQueue(name)).messageCount;

const counted = (outcomes: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
};

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const isLost = async ({ connection }: Sending): Promise<void> =>
  eventually(() => expect(connection.snapshot.publishing.kind).not.toBe('ready'));

describe('a message to an exchange that is missing', () => {
  it('fails alone: the hundred on both sides of it are confirmed, once each', async () => {
    const { send } = await startSender();
    // Nothing is awaited in between, and the first of them open the channels.
    const good = [...range(50).map((number) => send(number))];
    const bad = [send(-1, { eks: [[Missing, '']] }), send(-2, { eks: [[Missing, '']] })];
    good.push(...range(50).map((number) => send(50 + number)));
    const again = send(-3, { eks: [[Missing, '']] });

    expect(counted(await Promise.all(good))).toEqual({ confirmed: 100 });
    expect(await Promise.all([...bad, again])).toEqual(Array(3).fill('EXCHANGE_NOT_FOUND'));
    expect(await waitingIn(queue)).toBe(100);
    const facts = { sent: 100, handled: 100, duplicated: 0, lost: 0 };
    report({ fault: 'publish to a missing exchange, among 100 others', test: TEST, ...facts });
  });

  it('is declared anew by the next one, where it was deleted and we declare it', async () => {
    const { send } = await startSender();
    expect(await send(1)).toBe('confirmed');
    await peer.channel.deleteExchange(Good.name);
    expect(await send(2)).toBe('EXCHANGE_NOT_FOUND');
    expect(await send(3, { mandatory: true })).toBe('UNROUTABLE');
    await peer.channel.bindQueue(queue, Good.name, '');
    expect(await send(4)).toBe('confirmed');
    expect(await waitingIn(queue)).toBe(2);
  });

  it('takes down only those that share its channel, where there are more exchanges than channels', async () => {
    const { send } = await startSender();
    const names = range(40).map((index) => defineExchange({ name: `x${index}`, type: 'fanout' }));
    const all = (): Promise<string[]> =>
      Promise.all(names.map((exchange) => send(0, { eks: [[exchange, '']] })));
    expect(counted(await all())).toEqual({ confirmed: 40 });
    expect(await send(-1, { eks: [[Missing, '']] })).toBe('EXCHANGE_NOT_FOUND');
    expect(counted(await all())).toEqual({ confirmed: 40 });
  });

  it('keeps the order of the messages to one exchange', async () => {
    const { send } = await startSender();
    const order: unknown[] = [];
    await peer.channel.consume(
      queue,
      (message) => {
        const { content } = JSON.parse(String(message?.content)) as { content: { parameters: unknown } };
        order.push(content.parameters);
      },
      { noAck: true },
    );
    await Promise.all(
      range(300).flatMap((number) => [send(number), send(-1, { eks: [[Missing, String(number)]] })]),
    );
    await eventually(() => expect(order).toEqual(range(300)));
  });
});

describe('an exchange that is deleted while messages are on their way', () => {
  it('leaves nobody in the belief that what has arrived was not sent', async () => {
    await peer.channel.deleteQueue(queue);
    await peer.channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } });
    await peer.channel.bindQueue(queue, Good.name, '');
    const { send } = await startSender();
    expect(await send(0)).toBe('confirmed');
    const sent = range(2_000).map((number) => send(number));
    await peer.channel.deleteExchange(Good.name);
    const counts = counted(await Promise.all(sent));
    const { confirmed = 0, OUTCOME_UNKNOWN: unknown = 0 } = counts;
    // All that is in the queue was confirmed, or is unknown; what came after the exchange was declared anew went nowhere.
    expect((await waitingIn(queue)) - 1).toBeLessThanOrEqual(confirmed + unknown);
    expect(counts['EXCHANGE_NOT_FOUND'] ?? 0).toBeLessThanOrEqual(1);
  });
});

describe('a publish', () => {
  it('whose confirm is lost is told that its outcome is unknown, and is not sent again', async () => {
    // No answer of the broker passes once the first message is confirmed.
    const sending = await startSender();
    expect(await sending.send(0)).toBe('confirmed');
    proxy.freeze();
    const unconfirmed = range(10).map((number) => sending.send(1 + number));
    await eventually(() => expect(sending.connection.snapshot.waitingPublishes).toBe(0));
    proxy.cut();
    proxy.thaw();
    expect(counted(await Promise.all(unconfirmed))).toEqual({ OUTCOME_UNKNOWN: 10 });
    expect(await sending.send(11)).toBe('confirmed');
    expect(await waitingIn(queue)).toBeLessThanOrEqual(12);
  });

  it('settles at its deadline whatever the line does, and nothing is pending behind it', async () => {
    const sending = await startSender({ reconnect: { maxDelayMs: 50 } });
    expect(await sending.send(0)).toBe('confirmed');
    proxy.freeze();
    const sent = range(20).map((number) => sending.send(number, { publishTimeoutMs: 300 }));
    expect(counted(await Promise.all(sent))).toEqual({ OUTCOME_UNKNOWN: 20 });
    await isLost(sending);
    const waiting = range(20).map((number) => sending.send(number, { publishTimeoutMs: 300 }));
    expect(sending.connection.snapshot).toMatchObject({ pendingPublishes: 20, waitingPublishes: 20 });
    expect(counted(await Promise.all(waiting))).toEqual({ NOT_CONNECTED: 20 });
    expect(sending.connection.snapshot).toMatchObject({ pendingPublishes: 0, waitingBytes: 0 });
    proxy.cut();
    proxy.thaw();
    expect(await sending.send(1)).toBe('confirmed');
    const facts = { sent: 42, confirmed: 2, 'outcome unknown': 20, 'not connected': 20 };
    report({ fault: 'socket frozen while publishing (deadline 300 ms)', test: TEST, ...facts });
  });

  it('that the broker refuses to store is told so', async () => {
    const full = uniqueName('full');
    const limits = { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } };
    await peer.channel.assertQueue(full, limits);
    const { send } = await startSender();
    const call: CallOptions = { eks: [[DEFAULT_EXCHANGE, full]] };
    expect([await send(1, call), await send(2, call)]).toEqual(['confirmed', 'NACKED']);
    expect(await send(3, { eks: [[DEFAULT_EXCHANGE, 'nobody']], mandatory: true })).toBe('UNROUTABLE');
  });
});

describe('messages while there is no connection', () => {
  it('wait for it by default, and arrive in the order of the calls', async () => {
    const sending = await startSender({ reconnect: { maxDelayMs: 50 } });
    expect(await sending.send(0)).toBe('confirmed');
    proxy.refuse();
    proxy.cut();
    await isLost(sending);
    const waiting = range(1_000).map((number) => sending.send(1 + number));
    await proxy.accept();
    expect(counted(await Promise.all(waiting))).toEqual({ confirmed: 1_000 });
    expect(await waitingIn(queue)).toBe(1_001);
  });

  it('fail at once where that is the policy: those that wait when it is lost, and those that come', async () => {
    const sending = await startSender({ publishing: { offline: 'fail' }, reconnect: { maxDelayMs: 50 } });
    // The first connection opens with the first message, and is waited for.
    expect(await sending.send(0)).toBe('confirmed');
    proxy.refuse();
    proxy.cut();
    await isLost(sending);
    const hour = { publishTimeoutMs: 3_600_000 };
    expect(await sending.send(1, hour)).toBe('NOT_CONNECTED');
    await proxy.accept();
    await eventually(async () => expect(await sending.send(2, hour)).toBe('confirmed'));
  });

  it('go out again under that policy once a user is let in that was refused', async () => {
    const path = `/permissions/${encodeURIComponent(vhost.name)}/guest`;
    const { send } = await startSender({ publishing: { offline: 'fail' }, reconnect: { maxDelayMs: 100 } });
    await management('DELETE', path);
    expect(await send(0)).toBe('NOT_CONNECTED');
    await management('PUT', path, { configure: '.*', write: '.*', read: '.*' });
    await eventually(async () => expect(await send(1)).toBe('confirmed'));
  });

  it('fail at once when the first attempt to connect has failed, under that policy', async () => {
    proxy.refuse();
    const { send } = await startSender({ publishing: { offline: 'fail' } });
    expect(await send(0, { publishTimeoutMs: 3_600_000 })).toBe('NOT_CONNECTED');
  });

  it.each([
    ['a count', { maxWaiting: 5 }],
    // Each has some 300 bytes beside its text.
    ['a size', { maxWaitingBytes: 7_000 }],
  ])('are limited by %s: the next one fails at once', async (_, publishing) => {
    const text = 'x'.repeat(1_000);
    const sending = await startSender({ publishing, reconnect: { maxDelayMs: 50 } });
    expect(await sending.send(0)).toBe('confirmed');
    proxy.refuse();
    proxy.cut();
    await isLost(sending);
    const waiting = range(5).map(() => sending.send(text));
    const { waitingPublishes, waitingBytes } = sending.connection.snapshot;
    expect(waitingPublishes).toBe(5);
    expect(waitingBytes).toBeGreaterThan(5_000);
    expect(await sending.send(text)).toBe('BUFFER_FULL');
    await proxy.accept();
    expect(counted(await Promise.all(waiting))).toEqual({ confirmed: 5 });
    // What has left makes room.
    expect(await sending.send(text)).toBe('confirmed');
  });

  it('are limited by age, which says nothing of those that are sent', async () => {
    const sending = await startSender({ publishing: { maxWaitingMs: 200 }, reconnect: { maxDelayMs: 50 } });
    expect(await sending.send(0)).toBe('confirmed');
    proxy.refuse();
    proxy.cut();
    await isLost(sending);
    expect(await sending.send(1)).toBe('NOT_CONNECTED');
    await proxy.accept();
    await eventually(async () => expect(await sending.send(2)).toBe('confirmed'));
    // The confirm comes when the message is older than that.
    proxy.delayMs = 150;
    expect(await sending.send(3, { publishTimeoutMs: 10_000 })).toBe('confirmed');
  });
});
