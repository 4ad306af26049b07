import { PostageConnection, PostageServer, type PostageEvent } from 'nestjs-postage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Inbox } from '../support/eventually.js';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { hasOneConsumer } from './support/broker-view.js';
import { report } from './support/measure.js';
import { RECONNECT, RECONNECT_AT_ONCE, Traffic, type TrafficOptions } from './support/traffic.js';

const TEST = 'test/faults/network.spec.ts';
const HEARTBEAT = { heartbeatSeconds: 1, connectTimeoutMs: 1_000 };

const unhandled = useUnhandledRejections();
let vhost: Vhost;
let proxy: TcpProxy;

beforeEach(async () => {
  vhost = await createVhost('network');
  proxy = await TcpProxy.to(vhost.url);
});

afterEach(async () => {
  await proxy.close();
  await vhost.delete();
  if (unhandled.length > 0) throw new Error(`unhandled: ${unhandled.map(String).join(', ')}`);
});

const traffic = (connection: object = {}, more: Partial<TrafficOptions> = {}): Promise<Traffic> =>
  Traffic.start({
    options: { connection: { url: proxy.url, ...connection }, reconnect: RECONNECT },
    ...more,
  });

describe('consuming and publishing resume by themselves', () => {
  it('after resets in the middle of the traffic', async () => {
    const options = { connection: { url: proxy.url }, reconnect: RECONNECT_AT_ONCE };
    const numbers = await traffic({}, { options });
    // There is always something on the line, which then is gone.
    proxy.delayMs = 2;
    const measured: number[] = [];
    for (let round = 0; round < 20; round += 1) {
      const { resumeMs } = await numbers.resumedAfter(() => proxy.cut());
      measured.push(resumeMs);
    }

    await hasOneConsumer(vhost, numbers.queue);
    const resumeMs = Math.max(...measured);
    const meanMs = measured.reduce((sum, each) => sum + each, 0) / measured.length;
    const totals = await numbers.finish({ fault: 'TCP reset (RST), 20 times', test: TEST, resumeMs, meanMs });
    expect(totals.lost).toBe(0);
  });

  it('after connections that the other side has ended without a word (FIN)', async () => {
    const numbers = await traffic();

    const { resumeMs } = await numbers.resumedAfter(() => proxy.end());

    await hasOneConsumer(vhost, numbers.queue);
    const totals = await numbers.finish({ fault: 'TCP end (FIN) without AMQP close', test: TEST, resumeMs });
    expect(totals.lost).toBe(0);
  });

  it('when a line that went silent, without any end of it, is noticed by its heartbeats', async () => {
    const other = await TcpProxy.to(vhost.url);
    const urls = [proxy.url, other.url];
    const numbers = await Traffic.start({
      options: { connection: { urls, ...HEARTBEAT }, reconnect: RECONNECT },
    });
    // Both connections go by one of them, or each by another: all lines are silent, and one of them stays so.
    const { noticedMs, resumeMs } = await numbers.resumedAfter(async () => {
      const lost = numbers.losses();
      proxy.freeze();
      other.freeze();
      await lost();
      other.thaw();
    });

    // Two to three intervals of one second; without heartbeats it would be many minutes.
    expect(noticedMs).toBeLessThan(15_000);
    // The broker, too, has to find out that the earlier consumer is gone: nobody has told it.
    await hasOneConsumer(vhost, numbers.queue);
    const fault = 'socket frozen for good, no FIN (heartbeat 1 s)';
    const totals = await numbers.finish({ fault, test: TEST, noticedMs, resumeMs });
    expect(totals.lost).toBe(0);
    await other.close();
  });

  it('while the broker takes the earlier connection for alive', async () => {
    const numbers = await traffic(HEARTBEAT);

    const { resumeMs } = await numbers.resumedAfter(() => proxy.strand());

    await hasOneConsumer(vhost, numbers.queue);
    const fault = 'half-open: the client is cut off, the broker hears nothing (heartbeat 1 s)';
    const totals = await numbers.finish({ fault, test: TEST, resumeMs });
    expect(totals.lost).toBe(0);
  });

  it('of an exclusive queue, which the broker gives to nobody else as long as it takes the earlier connection for alive', async () => {
    // With the waits of the default, which would be 30 s for a refusal that waiting does not cure.
    const options = { connection: { url: proxy.url, ...HEARTBEAT } };
    const numbers = await traffic({}, { options, flags: { exclusive: true }, call: { mandatory: true } });

    const { resumeMs } = await numbers.resumedAfter(() => proxy.strand());

    const errors = numbers.receiverEvents.of('connection.failed').items.map(({ error }) => error);
    expect(errors).toContainEqual(expect.objectContaining({ code: 'TOPOLOGY_REFUSED', amqpCode: 405 }));
    // As soon as the broker lets it: the refusal is no reason to wait for long.
    expect(resumeMs).toBeLessThan(20_000);
    // What waited in the queue has gone with it: there is nothing to be counted.
    report({ fault: 'half-open, exclusive queue (heartbeat 1 s)', test: TEST, resumeMs });
  });

  it('when nobody accepts connections for a while', async () => {
    const numbers = await traffic();

    const { resumeMs } = await numbers.resumedAfter(async () => {
      proxy.refuse();
      proxy.cut();
      const failed = numbers.receiverEvents.of('connection.failed');
      await failed.take(3, 30_000);
      await proxy.accept();
      return performance.now();
    });

    await hasOneConsumer(vhost, numbers.queue);
    const totals = await numbers.finish({ fault: 'TCP refused for a while', test: TEST, resumeMs });
    expect(totals.lost).toBe(0);
  });
});

describe('of three URLs', () => {
  it('the next one is used when the one in use dies and stays dead', async () => {
    const proxies = [proxy, await TcpProxy.to(vhost.url), await TcpProxy.to(vhost.url)];
    const urls = [...proxies.map(({ url }) => url), 'amqp://no-such-host.invalid'];
    const numbers = await Traffic.start({ options: { connection: { urls }, reconnect: RECONNECT } });

    const dead: string[] = [];
    const measured: number[] = [];
    for (let round = 0; round < 2; round += 1) {
      const { publishing, consuming } = numbers.receiver.get(PostageConnection).snapshot;
      expect(publishing.kind).toBe('idle');
      const address = consuming.kind === 'ready' ? consuming.address : '';
      const active = proxies.find(({ url }) => new URL(url).port === new URL(address).port);
      const lost = numbers.receiverEvents.of('connection.lost');
      const before = lost.items.length;
      const begunMs = performance.now();
      active?.refuse();
      active?.cut();
      await lost.take(before + 1);
      await numbers.handlesMore();
      measured.push(performance.now() - begunMs);
      dead.push(address);
      const now = numbers.receiver.get(PostageConnection).snapshot.consuming;
      expect(now).toMatchObject({ kind: 'ready' });
      expect(dead).not.toContain(now.kind === 'ready' ? now.address : '');
    }

    await hasOneConsumer(vhost, numbers.queue);
    const totals = await numbers.finish({
      fault: 'two of three URLs die, one after the other',
      test: TEST,
      resumeMs: Math.max(...measured),
    });
    expect(totals.lost).toBe(0);
    await numbers.close();
    for (const each of proxies) await each.close();
  });
});

describe('an event loop that is blocked for longer than the heartbeats allow', () => {
  it('comes back by itself where the broker has hung up meanwhile, and says why that was', async () => {
    const numbers = await traffic(HEARTBEAT);

    const { resumeMs } = await numbers.resumedAfter(() => {
      const endMs = performance.now() + 5_000;
      while (performance.now() < endMs);
      return performance.now();
    });

    expect(numbers.receiverEvents.of('warning').items.map(({ text }) => text)).toEqual([
      expect.stringContaining('the event loop of this process stood still for') as string,
    ]);
    await hasOneConsumer(vhost, numbers.queue);
    const totals = await numbers.finish({
      fault: 'event loop blocked for 5 heartbeats',
      test: TEST,
      resumeMs,
    });
    expect(totals.lost).toBe(0);
  });
});

describe('a fleet that loses its broker together', () => {
  it('does not come back together: the waits are spread, grow, and are capped', async () => {
    const reconnect = { initialDelayMs: 100, maxDelayMs: 1_000 };
    const failed = new Inbox<number>();
    const observer = (event: PostageEvent): void => {
      if (event.kind === 'connection.failed') failed.push(event.retryInMs ?? Infinity);
    };
    const servers = Array.from(
      { length: 20 },
      () => new PostageServer({ url: proxy.url, reconnect, observer, log: false }),
    );
    const connect = async (): Promise<unknown> =>
      Promise.all(servers.map((server) => server.unwrap().connectPublisher()));
    await connect();

    proxy.refuse();
    proxy.cut();
    const waits = await failed.take(servers.length * 6, 30_000);
    await proxy.accept();
    await connect();

    // Full jitter: anything from 0 to a bound that doubles. That half of them are equal by chance, or none is late, does not happen.
    expect(new Set(waits).size).toBeGreaterThan(waits.length / 2);
    expect(Math.max(...waits)).toBeGreaterThan(reconnect.initialDelayMs);
    expect(Math.max(...waits)).toBeLessThanOrEqual(reconnect.maxDelayMs);
    await Promise.all(servers.map((server) => server.close()));
  });
});
