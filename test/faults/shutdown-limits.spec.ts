import { onTestFinished, describe, expect, it } from 'vitest';
import { useCompiled } from '../support/compiled.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { report } from './support/measure.js';
import type { ShutdownConfig } from './support/shutdown-program.js';
import { Ending, PREFETCH, PROGRAM, QUEUED } from './support/shutdown.js';

const TEST = 'test/faults/shutdown-limits.spec.ts';
/** A machine that is busy, and a process that ends. */
const SLACK_MS = 10_000;

useCompiled(PROGRAM);

/** Ends it by a signal; how it ended, and how long that took. */
const terminate = async ({ child }: Ending, fault: string) => {
  const beganMs = performance.now();
  child.signal('SIGTERM');
  const exit = await child.exit();
  const endedMs = performance.now() - beganMs;
  report({ fault, test: TEST, endedMs });
  // What Nest's logger says of connections.
  const errors = child.errors.lines.filter((line) => !line.includes('ERROR [Postage] attempt'));
  return { exit, endedMs, errors };
};
const ORDERLY = { exit: { code: 0, signal: null }, errors: [] };

const proxyTo = async (url: string): Promise<TcpProxy> => {
  const proxy = await TcpProxy.to(url);
  onTestFinished(() => proxy.close());
  return proxy;
};

const startThroughProxy = async (config: Partial<ShutdownConfig>) => {
  const proxies: TcpProxy[] = [];
  const ending = await Ending.start({ kind: 'standalone', ...config }, async (url) => {
    const opened = await proxyTo(url);
    proxies.push(opened);
    return opened.url;
  });
  const [proxy] = proxies;
  if (!proxy) throw new Error('there is no proxy');
  return { proxy, ending };
};

describe.each(['standalone', 'hybrid', 'component'] as const)('%s', (kind) => {
  it('ends after the limit when a handler is stuck, whose message goes to somebody else, marked as redelivered', async () => {
    const drainTimeoutMs = 1_500;
    const ending = await Ending.start({ kind, drainTimeoutMs, workMs: 0 });
    await ending.child.saying('worked', QUEUED);
    ending.stick(99);
    await ending.begun(QUEUED + 1);

    const { endedMs, ...end } = await terminate(ending, `SIGTERM with a stuck handler, ${kind}`);
    expect(end).toEqual(ORDERLY);
    expect(endedMs).toBeGreaterThan(drainTimeoutMs - 50);
    expect(endedMs).toBeLessThan(drainTimeoutMs + SLACK_MS);
    expect(await ending.left()).toEqual([{ id: 99, redelivered: true }]);
    expect(ending.child.said('warning')).toMatchObject([
      { text: expect.stringContaining('1 handler(s) still run') as string },
    ]);
  });
});

describe('SIGTERM', () => {
  it('twice is the same as once', async () => {
    const ending = await Ending.start({ kind: 'standalone' });
    await ending.begun();
    ending.child.signal('SIGTERM');
    await ending.child.until(() => ending.child.output.text.includes('"event":"begun"'), 'a start');
    await ending.unconsumed();
    const { endedMs, ...end } = await terminate(ending, 'SIGTERM twice');
    expect(end).toEqual(ORDERLY);
    expect(ending.ids('worked')).toHaveLength(PREFETCH);
    expect(await ending.repliesOf(PREFETCH)).toHaveLength(PREFETCH);
    expect(await ending.left()).toHaveLength(QUEUED - PREFETCH);
    expect(endedMs).toBeLessThan(SLACK_MS);
  });

  it.each(['standalone', 'hybrid'] as const)(
    'ends a program that waits for an absent broker (%s)',
    async (kind) => {
      const ending = await Ending.start({ kind }, async (url) => {
        const proxy = await proxyTo(url);
        proxy.refuse();
        return proxy.url;
      });
      await ending.child.saying('connection.failed', 2);
      const { endedMs, ...end } = await terminate(ending, `SIGTERM while the broker is absent, ${kind}`);
      expect(end).toEqual(ORDERLY);
      expect(endedMs).toBeLessThan(SLACK_MS);
    },
  );

  it.each(['standalone', 'hybrid'] as const)(
    'ends a program that waits for the answer of a silent broker (%s)',
    async (kind) => {
      const proxies: TcpProxy[] = [];
      const ending = await Ending.start({ kind }, async (url) => {
        const proxy = await proxyTo(url);
        proxies.push(proxy);
        proxy.freeze();
        return proxy.url;
      });
      await ending.child.saying('listening');
      await ending.child.until(() => (proxies[0]?.open ?? 0) > 0, 'a connection');
      const { endedMs, ...end } = await terminate(
        ending,
        `SIGTERM while connecting to a silent broker, ${kind}`,
      );
      expect(end).toEqual(ORDERLY);
      expect(endedMs).toBeLessThan(SLACK_MS);
    },
  );

  it.each([
    ['before its handlers have answered', 0],
    ['when it has answered before, and on while it answers', 1],
  ] as const)(
    'ends a program whose broker falls silent %s, within the limits, and nothing is lost',
    async (when, rounds) => {
      const drainTimeoutMs = 3_000;
      const { proxy, ending } = await startThroughProxy({ drainTimeoutMs, workMs: 1_000 });
      await ending.begun(PREFETCH * (rounds + 1));
      proxy.freeze();
      const { endedMs, ...end } = await terminate(ending, `SIGTERM while the broker is silent, ${when}`);
      expect(end).toEqual(ORDERLY);
      // For the cancellation, two channels or connections in turn, confirms, and a third.
      expect(endedMs).toBeLessThan(2 * drainTimeoutMs + 6_000 + SLACK_MS);
      await proxy.close();
      const left = (await ending.left()).map(({ id }) => id);
      const answered = await ending.repliesOf(PREFETCH * rounds);
      expect(new Set([...left, ...answered]).size).toBe(QUEUED);
      expect(left.length).toBeGreaterThanOrEqual(QUEUED - PREFETCH * rounds);
    },
  );

  it('ends a program that has lost its connection, when its handlers are done and their answers have had a chance', async () => {
    const drainTimeoutMs = 4_000;
    const { proxy, ending } = await startThroughProxy({ workMs: 2_000, drainTimeoutMs });
    await ending.begun();
    proxy.refuse();
    proxy.cut();
    await ending.child.saying('connection.failed', 2);
    const { endedMs, ...end } = await terminate(ending, 'SIGTERM while reconnecting');
    expect(end).toEqual(ORDERLY);
    expect(endedMs).toBeLessThan(drainTimeoutMs + SLACK_MS);
    expect(ending.ids('worked')).toHaveLength(PREFETCH);
    // Nobody could ack them.
    expect(await ending.left()).toHaveLength(QUEUED);
  });
});

describe('a program that only sends', () => {
  it.each([
    ['SIGHUP', true],
    ['SIGINT', true],
    ['SIGHUP', false],
    ['SIGINT', false],
  ] as const)('has everything confirmed before it ends (%s, connected: %s)', async (signal, isConnected) => {
    const ending = await Ending.start({ kind: 'context', isConnected });
    await ending.child.saying('started');
    const beganMs = performance.now();
    // It sends, and ends at the same moment: by SIGTERM, or by app.close().
    ending.child.signal(signal);
    expect(await ending.child.exit()).toEqual({ code: 0, signal: null });
    const sent = 1_000;
    const handled = (await ending.resultsOf(sent)).length;
    report({
      fault: `${sent} publishes, then ${signal}, connected: ${isConnected}`,
      test: TEST,
      sent,
      handled,
      endedMs: performance.now() - beganMs,
    });
    expect(new Set(await ending.resultsOf(sent)).size).toBe(sent);
    expect([ending.child.said('lost'), ending.child.errors.text]).toEqual([[], '']);
  });
});
