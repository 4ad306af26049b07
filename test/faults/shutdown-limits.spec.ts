import { onTestFinished, describe, expect, it } from 'vitest';
import { useCompiled } from '../support/compiled.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { report } from './support/measure.js';
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
    await new Promise((resolve) => setTimeout(resolve, 300));
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

  it('ends a program whose broker does not answer any more, within the limits, and nothing is lost', async () => {
    const proxies: TcpProxy[] = [];
    const drainTimeoutMs = 3_000;
    const ending = await Ending.start({ kind: 'standalone', drainTimeoutMs, workMs: 1_000 }, async (url) => {
      const proxy = await proxyTo(url);
      proxies.push(proxy);
      return proxy.url;
    });
    await ending.begun();
    proxies[0]?.freeze();
    const { endedMs, ...end } = await terminate(ending, 'SIGTERM while the broker is frozen');
    expect(end).toEqual(ORDERLY);
    expect(endedMs).toBeLessThan(drainTimeoutMs + 2 * SLACK_MS);
    proxies[0]?.cut();
    await proxies[0]?.close();
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
