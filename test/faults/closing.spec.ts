import { PostageConnection } from 'nestjs-postage';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.js';
import { createVhost, type Vhost } from '../support/rabbit.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { useUnhandledRejections } from '../support/unhandled.js';
import { viewOf } from './support/broker-view.js';
import { report } from './support/measure.js';
import { RECONNECT, Traffic } from './support/traffic.js';

const TEST = 'test/faults/closing.spec.ts';
/** Closing gives each of its steps a few seconds at most, whatever the other side does. */
const CLOSE_LIMIT_MS = 15_000;

const unhandled = useUnhandledRejections();

/** What would keep the process alive. */
const resources = (): { readonly timers: number; readonly sockets: number } => {
  const all = process.getActiveResourcesInfo();
  const count = (kind: string): number => all.filter((each) => each === kind).length;
  return { timers: count('Timeout'), sockets: count('TCPSocketWrap') };
};

interface Situation {
  readonly situation: string;
  readonly enter: (traffic: Traffic, proxy: TcpProxy) => unknown;
}

const consuming = (traffic: Traffic): string =>
  traffic.receiver.get(PostageConnection).snapshot.consuming.kind;

const SITUATIONS: readonly Situation[] = [
  { situation: 'while all is well', enter: () => undefined },
  {
    situation: 'after ten reconnects',
    enter: async (traffic, proxy) => {
      for (let round = 0; round < 10; round += 1) await traffic.resumedAfter(() => proxy.cut());
    },
  },
  {
    situation: 'while it waits to connect again',
    enter: async (traffic, proxy) => {
      proxy.refuse();
      proxy.cut();
      await traffic.receiverEvents.of('connection.failed').take(1);
      await eventually(() => expect(consuming(traffic)).toBe('waiting'));
    },
  },
  {
    situation: 'while the other side is silent',
    enter: (_traffic, proxy) => proxy.freeze(),
  },
  {
    situation: 'while it connects to somebody who does not answer',
    enter: async (traffic, proxy) => {
      const lost = traffic.losses();
      proxy.freeze();
      proxy.cut();
      await lost();
      await eventually(() => expect(consuming(traffic)).toBe('connecting'));
    },
  },
];

const open = async (): Promise<{ vhost: Vhost; proxy: TcpProxy; traffic: Traffic }> => {
  const vhost = await createVhost('closing');
  onTestFinished(() => vhost.delete());
  const proxy = await TcpProxy.to(vhost.url);
  onTestFinished(() => proxy.close());
  const connection = { url: proxy.url, connectTimeoutMs: 3_000 };
  const options = { connection, reconnect: RECONNECT, drainTimeoutMs: 2_000 };
  return { vhost, proxy, traffic: await Traffic.start({ options, call: { publishTimeoutMs: 2_000 } }) };
};

describe('closing', () => {
  it.each(SITUATIONS)(
    '$situation settles in time, and leaves neither timer nor socket',
    async ({ situation, enter }) => {
      const before = resources();
      const { proxy, vhost, traffic } = await open();
      await enter(traffic, proxy);

      // What is on its way settles within its own time.
      traffic.numbers.stop().catch(() => undefined);
      const begunMs = performance.now();
      await traffic.close();
      const closedMs = performance.now() - begunMs;

      expect(closedMs).toBeLessThan(CLOSE_LIMIT_MS);
      expect(traffic.receiver.get(PostageConnection).snapshot.consuming).toEqual({ kind: 'closed' });
      proxy.thaw();
      await eventually(() => expect(proxy.open).toBe(0));
      const nothing = { connections: 0, channels: 0 };
      await eventually(async () => expect(await viewOf(vhost)).toMatchObject(nothing), 30_000);
      await eventually(() => {
        // Those of the management API, which were asked just now, close by themselves.
        const { timers, sockets } = resources();
        expect(timers).toBeLessThanOrEqual(before.timers);
        expect(sockets).toBeLessThanOrEqual(before.sockets);
      }, 30_000);
      expect(unhandled).toEqual([]);
      report({ fault: `app.close() ${situation}`, test: TEST, closedMs });
    },
  );
});
