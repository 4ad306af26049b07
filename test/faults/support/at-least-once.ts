import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import type { Vhost } from '../../support/rabbit.js';
import { RawPeer } from '../../support/raw-peer.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { useUnhandledRejections } from '../../support/unhandled.js';
import { faultNode, type NodeUser } from './fault-node.js';
import { RECONNECT, Traffic } from './traffic.js';

const NUMBERS = 100_000;
/** One fault for so many numbers that were confirmed. */
const NUMBERS_PER_FAULT = 4_000;
const FAULTS = NUMBERS / NUMBERS_PER_FAULT - 1;
/** Of the faults, counted from 1: those that are a crash of the node. */
const CRASHES = new Set([5, 14]);

/** 100,000 messages through faults of all kinds, crashes of the broker among them, on a queue of this type. */
export const atLeastOnce = (type: 'classic' | 'quorum', test: string): void => {
  const node = faultNode();
  const unhandled = useUnhandledRejections();
  let vhost: Vhost;
  let user: NodeUser;
  let proxy: TcpProxy;

  beforeAll(async () => {
    // Of quorum queues; 5 s by default.
    await node.setEnvironment('rabbit', 'quorum_tick_interval', '500');
    vhost = await node.vhost('counted');
    user = await node.user(vhost);
    proxy = await TcpProxy.to(user.url);
  });
  afterAll(() => proxy.close());

  const crash = async (): Promise<void> => {
    await node.kill();
    await node.restart();
  };
  const faults: readonly (() => unknown)[] = [
    () => proxy.cut(),
    () => node.closeConnectionsOf(user),
    () => proxy.end(),
    () => proxy.strand(),
  ];

  it('handles every one of 100,000 messages that was confirmed, and some of them twice', async () => {
    const traffic = await Traffic.start({
      options: { connection: { url: proxy.url, heartbeatSeconds: 2 }, reconnect: RECONNECT, prefetch: 100 },
      ...(type === 'quorum' ? { flags: { type } } : {}),
      sending: { window: 500, end: NUMBERS },
    });
    if (type === 'quorum') await node.hasTicked(vhost, traffic.queue);
    const begunMs = performance.now();
    for (let count = 1; count <= FAULTS; count += 1) {
      const confirmed = count * NUMBERS_PER_FAULT;
      await eventually(() => expect(traffic.numbers.confirmed).toBeGreaterThanOrEqual(confirmed), 90_000);
      const fault = CRASHES.has(count) ? crash : faults[count % faults.length];
      await fault?.();
    }
    await traffic.numbers.finished();

    const seconds = (performance.now() - begunMs) / 1_000;
    const fault = `100,000 messages through a loop of faults, ${type} queue`;
    const counts = { faults: FAULTS, crashes: CRASHES.size };
    const { resent } = traffic.numbers;
    const totals = await traffic.finish({ fault, test, ...counts, resent, seconds });
    expect(totals).toMatchObject({ sent: NUMBERS, handled: NUMBERS, lost: 0 });
    // Nothing is left, and nobody else consumes.
    await eventually(async () => {
      await using peer = await RawPeer.connect(vhost.url);
      expect(await peer.channel.checkQueue(traffic.queue)).toMatchObject({
        messageCount: 0,
        consumerCount: 1,
      });
    });
    expect(unhandled).toEqual([]);
  }, 300_000);
};
